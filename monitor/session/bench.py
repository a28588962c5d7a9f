"""Speed and cost of the pipeline on a video, without decoding."""

from __future__ import annotations

import resource
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.analysis import AnalysisSettings, mediapipe_analyser
from detector.emotion.classifier import load_classifier
from detector.emotion.pacing import limit_threads
from detector.sources.opening import open_source
from detector.sources.orientation import Orientation
from detector.sources.video_source import SourceSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from detector.settings import Device


def bench(
    video: str,
    model: str | None = None,
    device: Device = "auto",
    analysis: AnalysisSettings | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Measure the way from a decoded frame to its readings; return `bench --json`'s document.

    `progress` is called after every frame with the frames done and the frames stated.

    Raises:
        SourceOpenError, ModelLoadError: The video or the model cannot be used.
    """
    limit_threads()
    analysis = analysis or AnalysisSettings()
    spec, mounted = SourceSpec.parse(video), Orientation.clockwise(analysis.camera.rotate)
    began = time.perf_counter()
    classifier = load_classifier(model, device)
    analyser = mediapipe_analyser(classifier, analysis)
    startup_s = time.perf_counter() - began
    with open_source(spec, lossless=True, mounted=mounted) as source:
        # Native libraries plan their memory on the first frames.
        for early in islice(iter(source.read, None), 10):
            analyser.analyse(early)
    analyser.close()
    analyser = mediapipe_analyser(classifier, analysis)
    latencies, faces, decoding_s, cpu_s = [], 0, 0.0, 0.0
    with open_source(spec, lossless=True, mounted=mounted) as source:
        while True:
            start = time.perf_counter()
            frame = source.read()
            decoding_s += time.perf_counter() - start
            if frame is None:
                break
            start, cpu = time.perf_counter(), time.process_time()
            analysed = analyser.analyse(frame)
            latencies.append(time.perf_counter() - start)
            cpu_s += time.process_time() - cpu
            faces += len(analysed.readings)
            progress(len(latencies), source.frame_count)
    analyser.close()
    p50, p95 = np.percentile(latencies, [50, 95])
    count = len(latencies)
    stages = analyser.times.milliseconds() | {"decode (left out)": 1000 * decoding_s / count}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "frames": count,
        "fps": round(count / sum(latencies), 2),
        "latency_ms": {"p50": round(1000 * float(p50), 3), "p95": round(1000 * float(p95), 3)},
        "stages_ms": {stage: round(spent, 3) for stage, spent in stages.items()},
        "faces_per_frame": round(faces / count, 3),
        "cpu_ms_per_frame": round(1000 * cpu_s / count, 3),
        "peak_rss_mb": round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1),
        "startup_s": round(startup_s, 3),
        "decoding": "left out of fps and latency_ms",
        "runtime": classifier.runtime,
    }
