"""The registry of metrics, in the order in which reports and leaderboards list them."""

from collections.abc import Iterator

from llm_measure.metrics.record import Kind, Metric


class MetricRegistry:
    """Metrics by name, in the order of their registration."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def register(self, metric: Metric) -> None:
        """Add a metric; ValueError if its name or id is taken."""
        for other in self:
            if metric.name == other.name or metric.id == other.id:
                raise ValueError(
                    f"metric {metric.name} ({metric.id}): duplicate of {other.name} ({other.id})"
                )
        self._metrics[metric.name] = metric

    def unregister(self, name: str) -> None:
        """Remove a metric; KeyError if it is unknown."""
        del self._metrics[name]

    def __iter__(self) -> Iterator[Metric]:
        return iter(tuple(self._metrics.values()))

    def __len__(self) -> int:
        return len(self._metrics)

    def __contains__(self, name: object) -> bool:
        return name in self._metrics

    def __getitem__(self, name: str) -> Metric:
        return self._metrics[name]

    @property
    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._metrics)

    def of(self, kind: Kind) -> tuple[Metric, ...]:
        """Return the metrics of workloads of that kind."""
        return tuple(metric for metric in self if kind in metric.kinds)

    def objectives(self, kind: Kind) -> tuple[str, ...]:
        """Return the names of the metrics of that kind that an objective can bound."""
        return tuple(metric.name for metric in self.of(kind) if metric.objective)

    @property
    def simulated(self) -> tuple[Metric, ...]:
        """The metrics that the simulation draws values of."""
        return tuple(metric for metric in self if metric.simulated_range)
