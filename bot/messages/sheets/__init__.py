"""The sentences about sheets: comparisons and drafts. ``words`` has all of them."""
