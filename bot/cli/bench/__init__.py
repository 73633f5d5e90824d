"""``sugarbot bench``: the command, the article's rows and their table."""
