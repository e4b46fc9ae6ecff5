"""The leaderboard: rankings with all that is known of how sure they are."""
