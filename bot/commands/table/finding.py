"""The commands that find pictures and settings again."""

from bot.commands.reading import MAX_PAGE
from bot.commands.table.entry import CommandEntry, Option, OptionKind
from bot.commands.values import Export, Favourite, Mine, ReadSettings, ShowRecipe

FINDING_COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "mine",
        "我的",
        ("我的", "我的图", "我的作品"),
        "Find your pictures again",
        "/mine freckles",
        Mine,
        (
            Option(
                "search",
                "搜索",
                OptionKind.TEXT,
                "Words of the prompt or a LoRA, also in pinyin",
                example="freckles",
                positional=True,
            ),
            Option(
                "page",
                "页",
                OptionKind.INTEGER,
                "Which page; the newest pictures are on the first",
                example="2",
                flags=("p", "页码"),
                least=1,
                most=MAX_PAGE,
            ),
            Option(
                "favourites", "收藏", OptionKind.SWITCH, "Only your favourites", flags=("favorites", "fav")
            ),
        ),
    ),
    CommandEntry(
        "favourite",
        "收藏",
        ("收藏", "favorite", "fav"),
        "Keep a picture among your favourites",
        "/favourite k3f9 2",
        Favourite,
        (
            Option(
                "job",
                "任务",
                OptionKind.TEXT,
                "Which job; leave it out to see your favourites",
                example="k3f9",
                positional=True,
            ),
            Option(
                "picture",
                "第几张",
                OptionKind.INTEGER,
                "Which picture of it; default: all",
                example="2",
                least=1,
                most=99,
            ),
            Option("off", "取消收藏", OptionKind.SWITCH, "No longer a favourite", flags=("remove",)),
        ),
    ),
    CommandEntry(
        "recipe",
        "配方",
        ("配方", "配方码"),
        "Show what a recipe code draws, or the code of a job",
        "/recipe K3F9-7QXM-2AWV",
        ShowRecipe,
        (
            Option(
                "code",
                "配方码",
                OptionKind.TEXT,
                "A recipe code, or a job; default: your newest job",
                example="K3F9-7QXM-2AWV",
                positional=True,
            ),
        ),
    ),
    CommandEntry(
        "info",
        "读图",
        ("读图", "图片信息", "读取参数"),
        "Read the settings inside a picture file",
        "/info",
        ReadSettings,
        (Option("file", "图片", OptionKind.FILE, "A PNG of mine or of another tool; WebP and JPEG too"),),
    ),
    CommandEntry(
        "export",
        "导出",
        ("导出", "导出图片"),
        "Get all your pictures and settings as ZIP files",
        "/mine export",
        Export,
    ),
)
