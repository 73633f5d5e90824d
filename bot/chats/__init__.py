"""Platforms: each translates its messages into commands and our answers into its messages."""
