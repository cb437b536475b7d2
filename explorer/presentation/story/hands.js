// Clock hands: each plane of a rotation turns by an angle of its own; Space or the button turns them, without the server.
(() => {
  const host = document.currentScript?.closest?.(".hands") ?? [...document.querySelectorAll(".hands")].pop();
  if (!host || host.dataset.live) return;
  host.dataset.live = "1";
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const clocks = [...host.querySelectorAll("canvas")].map((canvas) => ({ canvas, angles: JSON.parse(canvas.dataset.angles) }));
  let t = 0, goal = null;
  const css = (name) => getComputedStyle(host).getPropertyValue(name).trim();
  const draw = () => {
    const ratio = window.devicePixelRatio || 1, ink = css("--ink"), faint = css("--null");
    for (const { canvas, angles } of clocks) {
      const wide = canvas.clientWidth, high = canvas.clientHeight, pen = canvas.getContext("2d");
      if (!wide || !high) continue;
      canvas.width = Math.round(wide * ratio); canvas.height = Math.round(high * ratio);
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      const columns = Math.max(1, Math.ceil(Math.sqrt(angles.length * wide / high))), rows = Math.ceil(angles.length / columns);
      const cell = Math.min(wide / columns, high / rows), radius = 0.42 * cell, colour = css(canvas.dataset.colour);
      angles.forEach((angle, i) => {
        const x = (i % columns + 0.5) * cell + (wide - columns * cell) / 2, y = (Math.floor(i / columns) + 0.5) * cell;
        pen.strokeStyle = faint; pen.lineWidth = 1; pen.globalAlpha = 0.6;
        pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.stroke();
        pen.globalAlpha = 0.28; pen.fillStyle = colour;
        pen.beginPath(); pen.moveTo(x, y); pen.arc(x, y, radius, -Math.PI / 2, -Math.PI / 2 + t * angle); pen.closePath(); pen.fill();
        pen.globalAlpha = 1; pen.strokeStyle = t ? colour : ink; pen.lineWidth = 2.2;
        pen.beginPath(); pen.moveTo(x, y);
        pen.lineTo(x + radius * Math.sin(t * angle), y - radius * Math.cos(t * angle)); pen.stroke();
      });
    }
    host.dataset.t = t.toFixed(3);
  };
  const turn = () => {
    const from = t > 0.99 ? 0 : t;
    if (still) { t = 1; draw(); return; }
    const began = performance.now();
    goal = began;
    const step = (now) => {
      if (goal !== began || !host.isConnected) return;
      t = Math.min(1, from + Math.max(0, now - began) / 2600);
      draw();
      if (t < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  };
  host.querySelector("button").addEventListener("click", turn);
  new ResizeObserver(draw).observe(host);
  draw();
})();
