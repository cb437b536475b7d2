# The app in public mode. Build: docker build -t polymorphism-explorer . ; run: README, "For everybody: public mode".
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    HF_HUB_OFFLINE=1 \
    OMP_NUM_THREADS=2 \
    EXPLORER_PUBLIC=1 \
    EXPLORER_CACHE=/data

WORKDIR /app
COPY requirements.txt ./
# The app needs no GPU: --build-arg PIP_FIND_LINKS=… or PIP_EXTRA_INDEX_URL=… points pip at a CPU build of torch.
ARG PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL
RUN python -m pip install -r requirements.txt \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin explorer \
    && install -d -o explorer -g explorer /data
COPY .streamlit ./.streamlit
COPY assets ./assets
COPY pages ./pages
COPY explorer ./explorer
COPY LICENSE README.md ./

# Nothing in /app can be written by the one who serves it; only the cache in /data can.
USER explorer
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "streamlit", "run", "explorer/app.py", "--server.address", "0.0.0.0", "--server.port", "8501", \
     "--server.headless", "true", "--server.maxUploadSize", "1", "--server.fileWatcherType", "none", \
     "--browser.gatherUsageStats", "false"]
