"""The language: what a person types becomes a frozen command."""
