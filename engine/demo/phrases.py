"""The words for every trait value in Chinese and English. The first of each row is the usual one."""

from collections.abc import Mapping

Phrases = Mapping[str, Mapping[str, tuple[str, ...]]]

ZH: Phrases = {
    "skin": {
        "dewy": ("清透水光肌", "水光肌", "清透肌肤", "水润透亮的皮肤", "光泽肌"),
        "matte": ("雾面奶油肌", "奶油肌", "哑光肌", "雾面肌", "哑光奶油皮肤"),
        "porcelain": ("冷白瓷肌", "冷白皮", "瓷白肌肤", "白皙瓷肌", "雪白皮肤"),
        "tan": ("小麦色肌肤", "小麦色", "健康小麦肤色", "小麦色皮肤", "蜜色肌肤"),
        "deep": ("深棕肌肤", "深色皮肤", "巧克力色肌肤", "黝黑肌肤", "深肤色"),
    },
    "blush": {
        "peach": ("微醺蜜桃腮红", "蜜桃腮红", "桃色腮红", "橘色腮红", "微醺腮红"),
        "rose": ("玫瑰腮红", "玫瑰色腮红", "粉色腮红", "玫粉腮红"),
        "none": ("无腮红", "不涂腮红", "没有腮红", "素净脸颊"),
    },
    "lips": {
        "nude": ("薄涂裸粉唇釉", "裸粉唇釉", "裸色唇", "裸粉唇", "裸色口红"),
        "red": ("正红唇", "正红色口红", "红唇", "大红唇", "正红唇釉"),
        "berry": ("浆果唇", "浆果色唇釉", "莓果色口红", "深莓唇", "紫红唇"),
    },
    "eyes": {
        "upturned": ("眼尾轻挑", "眼尾轻挑带慵懒笑意", "眼尾上扬", "上挑眼", "猫眼", "丹凤眼"),
        "round": ("圆眼", "圆圆的眼睛", "大圆眼", "杏眼", "圆润杏眼"),
        "smiling": ("慵懒笑意", "笑眼", "弯弯笑眼", "眼含笑意", "月牙眼"),
    },
    "lashes": {
        "fine": ("细碎睫毛轻颤", "细碎睫毛", "纤细睫毛", "自然睫毛", "稀疏睫毛"),
        "thick": ("浓密睫毛", "浓密卷翘睫毛", "浓睫毛", "又长又密的睫毛", "浓黑睫毛"),
    },
    "fringe": {
        "straight": ("齐刘海", "平刘海", "整齐刘海", "刘海"),
        "parted": ("中分", "中分发", "露额中分"),
        "side": ("斜刘海", "侧分", "偏分", "侧分刘海"),
    },
    "gaze": {
        "left": ("看向左边", "望向左侧", "目光向左", "朝左看"),
        "front": ("直视镜头", "看向镜头", "正视前方", "目视前方"),
        "right": ("看向右边", "望向右侧", "目光向右", "朝右看"),
    },
    "extra": {
        "none": ("无配饰", "不戴首饰"),
        "earrings": ("金色耳环", "耳环", "戴耳环", "珍珠耳坠"),
        "flower": ("发间小花", "头戴小花", "发上别着花", "小雏菊发饰", "花"),
        "glasses": ("圆框眼镜", "戴眼镜", "眼镜", "细框眼镜"),
    },
    "backdrop": {
        "rose": ("粉色背景", "玫瑰粉背景", "浅粉背景"),
        "mint": ("薄荷绿背景", "绿色背景", "浅绿背景"),
        "sky": ("天蓝背景", "蓝色背景", "浅蓝背景"),
        "lavender": ("薰衣草紫背景", "紫色背景", "淡紫背景"),
        "cream": ("奶油色背景", "米色背景", "米黄背景"),
        "night": ("夜色背景", "深蓝夜空背景", "夜晚背景", "夜空"),
    },
}

EN: Phrases = {
    "skin": {
        "dewy": ("dewy skin", "glowing dewy skin", "glass skin", "radiant skin"),
        "matte": ("matte skin", "creamy matte skin", "velvet matte skin", "soft matte complexion"),
        "porcelain": ("porcelain skin", "pale skin", "fair porcelain skin", "cool pale complexion"),
        "tan": ("tan skin", "tanned skin", "sun kissed skin", "wheat skin", "bronze skin"),
        "deep": ("deep skin", "dark skin", "deep brown skin", "dark brown complexion"),
    },
    "blush": {
        "peach": ("peach blush", "peachy cheeks", "soft peach blush", "orange blush"),
        "rose": ("rose blush", "rosy cheeks", "pink blush", "rose pink cheeks"),
        "none": ("no blush", "without blush", "bare cheeks"),
    },
    "lips": {
        "nude": ("nude lip glaze", "nude lips", "bare pink lips", "nude lipstick"),
        "red": ("red lips", "bright red lipstick", "classic red lips", "red lipstick"),
        "berry": ("berry lips", "dark berry lipstick", "plum lips", "wine lips"),
    },
    "eyes": {
        "upturned": ("upturned eyes", "cat eyes", "eyes with upturned corners", "fox eyes"),
        "round": ("round eyes", "big round eyes", "doe eyes", "wide eyes"),
        "smiling": ("smiling eyes", "lazy smiling eyes", "crescent eyes", "eyes with a lazy smile"),
    },
    "lashes": {
        "fine": ("fine lashes", "delicate lashes", "wispy eyelashes", "thin lashes"),
        "thick": ("thick lashes", "full eyelashes", "dense dark lashes", "long thick lashes"),
    },
    "fringe": {
        "straight": ("straight bangs", "blunt bangs", "a full fringe", "bangs"),
        "parted": ("middle part", "center parting", "hair parted in the middle"),
        "side": ("side swept bangs", "side part", "side bangs"),
    },
    "gaze": {
        "left": ("looking left", "gazing to the left", "eyes to the left"),
        "front": ("looking at the viewer", "looking straight ahead", "facing forward"),
        "right": ("looking right", "gazing to the right", "eyes to the right"),
    },
    "extra": {
        "none": ("no accessories", "no jewellery"),
        "earrings": ("gold earrings", "earrings", "pearl earrings", "wearing earrings"),
        "flower": ("a flower in the hair", "flower hairpin", "daisy in her hair", "flower"),
        "glasses": ("round glasses", "wearing glasses", "glasses", "wire glasses"),
    },
    "backdrop": {
        "rose": ("pink background", "rose background", "pink backdrop"),
        "mint": ("mint green background", "green background", "mint backdrop"),
        "sky": ("sky blue background", "blue background", "blue backdrop"),
        "lavender": ("lavender background", "purple background", "lilac backdrop"),
        "cream": ("cream background", "beige background", "cream backdrop"),
        "night": ("night background", "dark blue night background", "night sky backdrop", "at night"),
    },
}

# Captions mention colour and cut of the hair together or separately.
HAIR_ZH = {
    "black": ("黑色", "乌黑", "黑"), "brown": ("棕色", "栗棕", "栗色", "棕"),
    "blonde": ("金色", "亚麻金", "金"), "ginger": ("橘红", "姜红色", "红棕", "橙色"),
    "pink": ("粉色", "樱花粉", "粉"), "blue": ("蓝色", "海蓝", "蓝"),
}  # fmt: skip
HAIR_EN = {
    "black": ("black", "jet black"), "brown": ("brown", "chestnut", "brunette"),
    "blonde": ("blonde", "golden", "blond"), "ginger": ("ginger", "orange", "copper", "auburn"),
    "pink": ("pink", "pastel pink"), "blue": ("blue", "ocean blue"),
}  # fmt: skip
CUT_ZH = {
    "long": ("长直发", "直发", "长发"), "wavy": ("波浪卷发", "长卷发", "卷发"),
    "bob": ("波波头", "齐肩短发", "齐耳短发"), "bun": ("丸子头", "盘发", "发髻"),
    "twintails": ("双马尾", "双马尾辫"), "pixie": ("超短发", "精灵短发", "短发"),
}  # fmt: skip
CUT_EN = {
    "long": ("long straight hair", "straight hair", "long hair"),
    "wavy": ("wavy hair", "long wavy hair", "curly hair"), "bob": ("bob hair", "a bob haircut", "bob cut"),
    "bun": ("hair in a bun", "a top bun", "hair bun"), "twintails": ("twintails", "pigtails", "twin tails"),
    "pixie": ("pixie cut", "short hair", "a short pixie cut"),
}  # fmt: skip

TRIGGERS = {"sugar": "Sugar面部", "anime": "Anime动漫", "realistic": "Realistic写实", "ink": "Ink水墨"}
FILLERS = (
    "纯欲甜妹脸部", "淡颜系清甜长相", "肖像", "头像", "一个女孩", "女孩的脸", "少女", "可爱", "美丽", "高清",
    "精致五官", "甜美", "portrait", "a girl", "face", "portrait of a young woman", "cute", "beautiful",
    "masterpiece", "best quality", "8k", "ultra detailed", "1girl", "close up", "soft light",
    "a woman", "pretty face",
)  # fmt: skip
