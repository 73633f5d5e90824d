"""The counters and histograms of this process. Values that change on their own are read by ``Monitor``."""

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_WAIT_BUCKETS_S = (0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 600, 1_800, 3_600)
_STAGE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)

JOBS_ACCEPTED = Counter(
    "sugarbot_jobs_accepted", "Jobs that were stored and charged", ["platform"], registry=REGISTRY
)
JOBS_ENDED = Counter(
    "sugarbot_jobs_ended",
    "Jobs that ended, by state; reason is empty unless they failed",
    ["platform", "state", "reason"],
    registry=REGISTRY,
)
JOBS_REFUNDED = Counter(
    "sugarbot_jobs_refunded", "Jobs that ended with credits returned", ["platform"], registry=REGISTRY
)
PICTURES = Counter("sugarbot_pictures", "Pictures that were saved", registry=REGISTRY)
QUEUE_WAIT = Histogram(
    "sugarbot_queue_wait_seconds", "From a job's acceptance to its first step", buckets=_WAIT_BUCKETS_S,
    registry=REGISTRY,
)  # fmt: skip
STAGE = Histogram(
    "sugarbot_stage_seconds", "The stages of a finished job, summed over its pictures", ["stage"],
    buckets=_STAGE_BUCKETS_S, registry=REGISTRY,
)  # fmt: skip
ETA_ERROR = Histogram(
    "sugarbot_eta_error_seconds", "How far a job's start was from the middle of its promised wait",
    buckets=_WAIT_BUCKETS_S, registry=REGISTRY,
)  # fmt: skip
ETA = Counter(
    "sugarbot_eta", "Starts of jobs before, within or after the promised wait", ["result"], registry=REGISTRY
)
LORA_SWITCHES = Counter(
    "sugarbot_lora_switches", "Jobs that were drawn with other LoRAs than the job before", registry=REGISTRY
)
DELIVERIES = Counter(
    "sugarbot_deliveries", "Tries to deliver a result: sent, again (later) or kept (for /mine)",
    ["outcome"], registry=REGISTRY,
)  # fmt: skip
FALLBACKS = Counter(
    "sugarbot_delivery_fallbacks",
    "Results that could not replace their placeholder: sent to the channel, or directly to the person",
    ["platform", "way"],
    registry=REGISTRY,
)
FLOOD_WAITS = Counter(
    "sugarbot_flood_waits", "Times that a platform asked the bot to wait", ["platform"], registry=REGISTRY
)
FLOOD_WAIT_S = Counter(
    "sugarbot_flood_wait_seconds",
    "Seconds that platforms asked the bot to wait",
    ["platform"],
    registry=REGISTRY,
)
CHAT_OPEN = Gauge(
    "sugarbot_chat_open", "1 while the chat is open and its platform reaches it", ["platform"],
    registry=REGISTRY,
)  # fmt: skip
REFUSALS = Counter(
    "sugarbot_refusals", "Commands that the desk refused, by rule", ["rule"], registry=REGISTRY
)


def note_flood_wait(platform: str, seconds: float) -> None:
    """Count that a platform asked the bot to wait."""
    FLOOD_WAITS.labels(platform).inc()
    FLOOD_WAIT_S.labels(platform).inc(max(0.0, seconds))
