// Two clouds of named groups in three dimensions: a pointer or the arrow keys turn one into register with the other.
(() => {
  const host = document.currentScript?.closest?.(".register") ?? [...document.querySelectorAll(".register")].pop();
  if (!host || host.dataset.live) return;
  host.dataset.live = "1";
  const data = JSON.parse(host.dataset.points), canvas = host.querySelector("canvas"), told = host.querySelector(".length");
  const pen = canvas.getContext("2d"), still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const times = (p, q) => [
    p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3], p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2],
    p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1], p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0]];
  const about = (axis, angle) => { const s = Math.sin(angle / 2); return [Math.cos(angle / 2), s * axis[0], s * axis[1], s * axis[2]]; };
  const unit = (q) => { const n = Math.hypot(...q); return q.map((x) => x / n); };
  const matrix = ([w, x, y, z]) => [
    [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
    [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
    [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]];
  const turned = (m, p) => m.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);
  const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
  // turn: of the target's cloud, from in register; camera: of both.
  let turn = data.start, camera = [1, 0, 0, 0], looking = false, at = null, goal = null;
  const length = (q) => { const m = matrix(q); return data.source.reduce((sum, p, i) => sum + far(p, turned(m, data.target[i])), 0) / data.source.length; };
  const first = length(data.start), reach = (() => { const all = data.source.map((p) => Math.hypot(...p)).sort((a, b) => a - b); return 1.04 * all[Math.floor(0.97 * all.length)]; })();
  const css = (name) => getComputedStyle(host).getPropertyValue(name).trim();
  const draw = () => {
    const wide = canvas.clientWidth, high = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
    if (!wide || !high) return;
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
      canvas.width = Math.round(wide * ratio); canvas.height = Math.round(high * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, high);
    const view = matrix(camera), mine = matrix(turn), scale = Math.min(wide, high) * 0.47 / reach, depth = 4 * reach;
    const place = (p) => { const v = turned(view, p), near = depth / (depth - v[2]);
      return { x: wide / 2 + scale * near * v[0], y: high / 2 - scale * near * v[1], z: v[2], near }; };
    const own = data.source.map(place), other = data.target.map((p) => place(turned(mine, p)));
    const ink = css("--ink"), text = Number(host.dataset.text);
    pen.lineWidth = 1.2; pen.strokeStyle = ink; pen.globalAlpha = 0.3;
    pen.beginPath();
    own.forEach((p, i) => { pen.moveTo(p.x, p.y); pen.lineTo(other[i].x, other[i].y); });
    pen.stroke();
    const marks = [...own.map((p, i) => ({ ...p, i, ring: true })), ...other.map((p, i) => ({ ...p, i, ring: false }))];
    marks.sort((p, q) => p.z - q.z);
    for (const p of marks) {
      const size = p.near * (p.ring ? 7 : 6) * text / 20, colour = data.colours[data.group[p.i]];
      pen.globalAlpha = 0.45 + 0.55 * Math.min(1, Math.max(0, (p.z + reach) / (2 * reach)));
      pen.beginPath();
      if (p.ring) { pen.arc(p.x, p.y, size, 0, 7); pen.lineWidth = 2.5; pen.strokeStyle = colour; pen.stroke(); }
      else { pen.moveTo(p.x, p.y - size); pen.lineTo(p.x + size, p.y); pen.lineTo(p.x, p.y + size); pen.lineTo(p.x - size, p.y); pen.closePath(); pen.fillStyle = colour; pen.fill(); }
    }
    pen.globalAlpha = 1; pen.textAlign = "center"; pen.lineJoin = "round";
    const label = (points, g, mark) => {
      const some = points.filter((_, i) => data.group[i] === g), mean = (k) => some.reduce((s, p) => s + p[k], 0) / some.length;
      const words = mark + " " + data.names[g];
      pen.font = (mark === "○" ? "700 " : "400 ") + text + "px system-ui, sans-serif";
      pen.lineWidth = 5; pen.strokeStyle = css("--paper"); const up = mark === "○" ? -text : 1.8 * text;
      pen.strokeText(words, mean("x"), mean("y") + up);
      pen.fillStyle = data.colours[g]; pen.fillText(words, mean("x"), mean("y") + up);
    };
    const share = length(turn) / first;
    data.names.forEach((_, g) => { if (share > 0.45) label(other, g, "◆"); label(own, g, "○"); });
    told.textContent = Math.round(100 * share) + " %";
    host.dataset.length = share.toFixed(4);
  };
  const solve = () => {
    if (still) { turn = [1, 0, 0, 0]; draw(); return; }
    goal = { from: turn[0] < 0 ? turn.map((x) => -x) : turn, began: performance.now() };
    const step = (now) => {
      if (!goal || !host.isConnected) return;
      const t = Math.min(1, (now - goal.began) / 1800), s = t * t * (3 - 2 * t), angle = Math.acos(Math.min(1, goal.from[0]));
      const rest = Math.sin(angle) || 1;  // the shortest way on the sphere of rotations, to no turn at all
      turn = unit(goal.from.map((x, k) => (Math.sin((1 - s) * angle) * x + Math.sin(s * angle) * (k ? 0 : 1)) / rest));
      if (t === 1 || angle < 1e-4) { turn = [1, 0, 0, 0]; goal = null; } else requestAnimationFrame(step);
      draw();
    };
    requestAnimationFrame(step);
  };
  const move = (dx, dy) => {
    goal = null;
    const size = Math.hypot(dx, dy);
    if (!size) return;
    const by = about([dy / size, dx / size, 0], size / (0.32 * Math.min(canvas.clientWidth, canvas.clientHeight)));
    if (looking) camera = unit(times(by, camera));
    else { const back = [camera[0], -camera[1], -camera[2], -camera[3]]; turn = unit(times(times(back, times(by, camera)), turn)); }
    draw();
  };
  canvas.addEventListener("pointerdown", (e) => { at = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointermove", (e) => { if (at) { move(e.clientX - at[0], e.clientY - at[1]); at = [e.clientX, e.clientY]; } });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { at = null; });
  canvas.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: [-14, 0], ArrowRight: [14, 0], ArrowUp: [0, -14], ArrowDown: [0, 14] }[e.key];
    if (by) { e.preventDefault(); e.stopPropagation(); move(...by); }
  });
  const buttons = host.querySelectorAll("button");
  buttons[0].addEventListener("click", solve);
  buttons[1].addEventListener("click", () => { turn = data.start; camera = [1, 0, 0, 0]; goal = null; draw(); });
  buttons[2].addEventListener("click", () => { looking = !looking; buttons[2].setAttribute("aria-pressed", looking); });
  new ResizeObserver(draw).observe(canvas);
  draw();
})();
