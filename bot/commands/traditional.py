"""The words of commands and options in Traditional characters, for people whose keyboard writes those.

One character for one character, in the form that Taiwan uses; the characters of ``table`` and no others.
"""

_SIMPLIFIED = "种张数权强随机肤红妆仅画图额余务关联绑账号帮么换这里风无质"
_TRADITIONAL = "種張數權強隨機膚紅妝僅畫圖額餘務關聯綁帳號幫麼換這裡風無質"
_TO_TRADITIONAL = str.maketrans(_SIMPLIFIED, _TRADITIONAL)
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)


def traditional(word: str) -> str:
    """The word in Traditional characters; the same word where its characters have one form."""
    return word.translate(_TO_TRADITIONAL)


def simplified(word: str) -> str:
    """The word in Simplified characters."""
    return word.translate(_TO_SIMPLIFIED)
