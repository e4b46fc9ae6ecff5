"""The leaderboard: rankings with confidence intervals, quantiles and shared ranks."""
