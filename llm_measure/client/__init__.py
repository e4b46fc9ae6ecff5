"""The client: sends requests at their planned moments and keeps what comes, with the moment of each part."""
