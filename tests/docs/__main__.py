"""``python -m tests.docs`` writes the generated parts of all pages."""

from tests.docs.pages import PAGES, filled

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page), encoding="utf-8")
