"""A request that was sent and the response to it, as its connection keeps them."""

# Parts that share a read came together if they came within this time.
TOGETHER_NS = 500_000


class Exchange:
    """A request that was sent and the response to it, not parsed yet. Moments in ns, monotonic."""

    __slots__ = (
        "content_type", "detail", "encoding", "end_ns", "failure", "first_byte_ns", "parts", "retry_after",
        "retry_after_ms", "sent_ns", "shared", "size", "stale_ns", "status", "times",
    )  # fmt: skip

    def __init__(self, sent_ns: int, stale_ns: int):
        self.sent_ns = sent_ns
        self.stale_ns = stale_ns  # within which the end of a kept connection is noticed
        self.first_byte_ns: int | None = None
        self.end_ns = 0
        self.status: int | None = None
        self.content_type = b""
        self.encoding = b""
        self.retry_after = b""
        self.retry_after_ms = b""  # Azure's, more exact
        self.parts: list[bytes] = []  # of the body
        self.times: list[int] = []  # of each part
        # Of each part that shared its read with a later one: since when it may have come.
        self.shared: dict[int, int] = {}
        self.size = 0  # of what is kept, in memory
        self.failure: str | None = None  # an error class, if the transfer itself failed
        self.detail: str | None = None

    def late_ns(self, part: int) -> int:
        """Return by how much the moment of a part that was read late may be too late; 0 if it is right.

        A part that shares its read with later ones has the moment of the last. They came together if the
        client read them within half a millisecond after the first may have come.
        """
        width = self.times[part] - self.shared.get(part, self.times[part])
        return width if width > TOGETHER_NS else 0

    @property
    def has_late_parts(self) -> bool:
        """Whether some part was read late."""
        return any(map(self.late_ns, self.shared))

    @property
    def is_stale(self) -> bool:
        """Whether the server had ended a kept connection before the request arrived.

        Its end was then already on the way. One that comes later means a request that was taken and dropped.
        """
        return self.failure == "connect" and self.end_ns - self.sent_ns < self.stale_ns
