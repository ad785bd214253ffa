"""Captions that try a tokenizer: real ones, many scripts, and the corners of Unicode. Deterministic; none holds a line feed."""
import random
import sys
import unicodedata

CAPTIONS = """a photo of an astronaut riding a horse on mars
a cat sitting on a sofa, looking out of the window at the rain
Portrait of a young woman with freckles, 85mm f/1.4, golden hour, by Annie Leibovitz
masterpiece, best quality, ultra-detailed, 8k uhd, (soft lighting:1.2), [film grain]
1girl, solo, long hair, blue eyes, school uniform, cherry blossoms, looking at viewer
An oil painting of the Eiffel Tower at night -- in the style of Vincent van Gogh
a red sports car parked in front of Joe's diner; it's 1957 & they're closed
The dog's ball isn't there, we've lost it, I'm sure he'd say you'll find it
isometric pixel art of a small castle #gamedev @pixelartist http://example.com/a?b=1&c=%20
a cup of coffee for $3.50 (50% off!!!) on 12/31/1999 at 23:59:59
<lora:ink_style:0.8> ink drawing of a fox, monochrome, white background
"Hello, World!" written on a chalkboard
photo of a 3.14159-inch screw, 1,000,000 pieces, model no. XJ-9000/b
cyberpunk city\tneon   lights\t\twet    streets
no humans, scenery, mountains, lake, reflection, sunrise, mist, trees
low quality, worst quality, blurry, bad anatomy, extra fingers, watermark, text, jpeg artifacts
CamelCaseWords and snake_case_words and kebab-case-words and SHOUTING WORDS
supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis
O'Brien's cat's 'quoted' toy 'll 've 're 'd 'm 't 's 'S 'LL ''s 'tis rock'n'roll
""".splitlines()

SENTENCES = """Café crème brûlée, naïve façade, Ærøskøbing, smörgåsbord, piñata, Łódź, žluťoučký kůň
İstanbul'da ışıklı bir gece, IĞDIR ılık, i̇ i İ ı I
Straße, GROẞE STRASSE, ﬁne eﬀect ﬂow ﬃ ﬄ ﬆ, Ǆ ǅ ǆ, ŉ, ſ, K Å Ω
Ο ΣΊΣΥΦΟΣ ανεβάζει την πέτρα, ΟΔΥΣΣΕΥΣ, ᾼ ῌ ᾳ ΐ ὒ
Красная площадь зимой, Ёжик в тумане, Їжак, Ђорђе, Ӂ
صورة قطة تجلس على الأريكة، بِسْمِ اللَّهِ، ١٢٣٤٥، ﷺ
תמונה של חתול יושב על הספה, שָׁלוֹם, ״ציטוט״
सूर्यास्त के समय ताजमहल, क्षत्रिय, हिन्दी १२३, क़ ख़ ग़
ภาพถ่ายแมวนั่งบนโซฟา น้ำ ที่ ก็ ๑๒๓
一只猫坐在沙发上，水墨画风格。二〇二四年 ３Ｄ
猫がソファに座っている写真、カタカナ、ﾊﾝｶｸ、が ぱ ゞ ㍿
고양이가 소파에 앉아 있는 사진, 각 가 ᄒᆞᆫ글 ㄱㄴㄷ
საქართველოს დედაქალაქი თბილისი ᲗᲑᲘᲚᲘᲡᲘ ႠႡႢ ⴀⴁ
ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ꭰꭱꭲ Ꮳꮃ
ফটো একটি বিড়ালের, কো কৌ, ১২৩
புகைப்படம் பூனை, கொ கோ கௌ, ௧௨௩
బొమ్మ పిల్లి, ಚಿತ್ರ ಬೆಕ್ಕು, ചിത്രം പൂച്ച
ඡායාරූපය පූසා, ຮູບແມວ, ကြောင်ပုံ, រូបឆ្មា
ድመት በሶፋ ላይ ፩፪፫, ⴰⵎⴰⵣⵉⵖ, ߒߞߏ
བོད་ཡིག ཧཱུྃ རྫོང་ཁ, ᠮᠣᠩᠭᠣᠯ, 𑄇𑄮𑄁𑄉
Ảnh con mèo ngồi trên ghế sô pha, Việt Nam ngày 1 tháng 5
Կատուն բազմոցին ԵՎ և, Ⰰⰱ, ⲀⲂ ⲁⲃ, 𐐀𐐨 𐓐𐓸 𞤀𞤢
Ａ ｆｕｌｌｗｉｄｔｈ ｃａｔ，１２３！
𝒜 𝓬𝓪𝓽 𝕠𝕟 𝔞 𝖘𝖔𝖋𝖆 𝟙𝟚𝟛 ℵ ℶ ⅷ Ⅷ ⓐ Ⓐ
½ ¼ ² ³ ¹ ₀ ① ㊀ Ⅻ ↀ 〇 ㉈ ༪ ౸
👍 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇯🇵🇺🇸 ❤️ ❤ ☕︎ 1️⃣ 🧑🏿‍🚀 🏴󠁧󠁢󠁥󠁮󠁧󠁿
e\u0301 \u00e9 a\u0323\u0302 \u1ead A\u030a \u212b o\u0308\u0304 \u0344 \u0958 \u2126 \uf900 \u0340\u0341
\u1100\u1161\u11a8 \uac00\u11a8 \u1100\u1161 \u1100\uac00 \u1161\u11a8 \ud7a3\u11a7 \ua960\u1161\ud7b0
Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319A\u0357\u0301\u035eL\u034d\u0320G\u0321O
a\u00a0b\u1680c\u2000d\u2003e\u200af\u2028g\u2029h\u202fi\u205fj\u3000k\u0085l\u000bm\u000cn\ro
a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg\u180eh\u061ci
\x00 a\x00b \x01\x02\x1b[31mred\x1b[0m \x7f \x80\x9f \x1c\x1d\x1e\x1f
\ufffd \ufffe \uffff \U0001fffe \ue000 \U000f0000 \U0010ffff \U000e0001
  leading and trailing   \t
\u0301combining first \u093c\u0345 \u20dd\u20e3 \u1abe""".splitlines()
# splitlines() cuts at the separators of the white-space sentence too; the whole of it is put back here.
SENTENCES.append("a\u00a0b\u1680c\u2000d\u2003e\u200af\u2028g\u2029h\u202fi\u205fj\u3000k\u0085l\u000bm\u000cn\ro\x1cp\x1dq\x1er\x1fs")

MARKERS = ["<|startoftext|>", "<|endoftext|>", "<|STARTOFTEXT|>", "<|EndOfText|>", "<|startoftext|", "|endoftext|>",
           "<| endoftext |>", "<|endoftext|>>", "<<|endoftext|>", "<|endoftext|><|endoftext|>", "!", "!!", "<|İendoftext|>",
           "<|\u017ftartoftext|>", "</w>", "Ġ", "<|endoftext|>\u0301"]  # fmt: skip
CONTRACTIONS = ["'s", "'S", "'re", "'RE", "'ll", "'x", "''", "'", "\u2019s", "'\u017f", "'lls", "'d've", "'ve"]
SPACES = [" ", "  ", "\t", "\r", "\u00a0", "\u2003", "\u3000", "\u2028", "\x85", "\x0b", "\u200b", "\x1c", "\u180e"]
PUNCTUATION = list("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~") + ["...", "--", "!!!", "?!", "«", "»", "…", "—", "¿", "，", "。", "((("]

SCRIPT_RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x2AF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F),
                 (0x591, 0x5F4), (0x600, 0x6FF), (0x700, 0x7FF), (0x900, 0xDFF), (0xE01, 0xEFF), (0xF00, 0xFFF), (0x1000, 0x109F),
                 (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x13FF), (0x1780, 0x18AA), (0x1C80, 0x1CBF),
                 (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2600, 0x27BF),
                 (0x2C00, 0x2DFF), (0x3000, 0x30FF), (0x3130, 0x318F), (0x4E00, 0x9FFF), (0xA640, 0xA7FF), (0xAB30, 0xABBF),
                 (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFF), (0x10000, 0x107FF), (0x10A00, 0x11FFF),
                 (0x16A00, 0x16FFF), (0x1D100, 0x1D7FF), (0x1E000, 0x1E97F), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F)]  # fmt: skip


def _combining_characters() -> tuple[list[str], list[str]]:
    """Characters that decompose, and marks that are put in order: where NFC has work to do."""
    everything = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]
    marks = [c for c in everything if unicodedata.combining(c)]
    composed = [c for c in everything if unicodedata.decomposition(c) and not unicodedata.decomposition(c).startswith("<")]
    return marks, composed


def captions(words: list[str], count: int = 12000, seed: int = 1) -> list[str]:
    """`count` distinct captions; `words` are entries of the vocabulary, in plain spelling."""
    draw = random.Random(seed)
    marks, composed = _combining_characters()
    fixed = CAPTIONS + SENTENCES + MARKERS + CONTRACTIONS + PUNCTUATION + [""]
    pieces = [w for s in CAPTIONS + SENTENCES for w in s.split(" ")] + MARKERS + CONTRACTIONS + PUNCTUATION

    def of_words() -> str:
        return " ".join(draw.choice(words) for _ in range(draw.randint(1, 30)))

    def of_pieces() -> str:
        return "".join(draw.choice(pieces) + draw.choice(SPACES + [""] * 5) for _ in range(draw.randint(1, 20)))

    def of_script() -> str:
        first, last = draw.choice(SCRIPT_RANGES)
        cells = [chr(draw.randint(first, last)) for _ in range(draw.randint(1, 15))]
        return draw.choice(["", " ", "\u0301", "a"]).join(cells)

    def of_marks() -> str:
        base = [draw.choice(composed), draw.choice("aAeoCşσΣकが가ᄀ"), "\u1100\u1161"]
        text = "".join(draw.choice(base + 3 * [draw.choice(marks)] + [draw.choice(composed)]) for _ in range(draw.randint(1, 12)))
        return unicodedata.normalize("NFD", text) if draw.random() < 0.5 else text

    def of_numbers() -> str:
        digits = "0123456789٠١٢०१२๐１２²½Ⅷ"
        return "".join(draw.choice(digits + ".,:/- %$x") for _ in range(draw.randint(1, 40)))

    def changed() -> str:
        caption = draw.choice(CAPTIONS + SENTENCES)
        change = draw.choice([str.upper, str.lower, str.title, str.swapcase, lambda s: s[::-1], lambda s: s.replace(" ", ""),
                              lambda s: unicodedata.normalize("NFD", s), lambda s: unicodedata.normalize("NFKC", s)])  # fmt: skip
        at = draw.randint(0, len(caption))
        return caption[:at] + draw.choice(pieces) + change(caption[at:])

    def anything() -> str:
        text = "".join(chr(draw.choice([draw.randint(0, 0x2FF), draw.randint(0, 0xD7FF), draw.randint(0xE000, 0x10FFFF)]))
                       for _ in range(draw.randint(1, 20)))  # fmt: skip
        return text

    def too_long() -> str:
        return " ".join(draw.choice([of_words, of_pieces, of_script])() for _ in range(draw.randint(5, 30)))

    kinds = [of_words, of_words, of_pieces, of_pieces, of_script, of_marks, of_numbers, changed, anything, too_long]
    distinct = dict.fromkeys(fixed)
    for turn in range(20 * count):
        if len(distinct) >= count:
            break
        distinct[kinds[turn % len(kinds)]().replace("\n", " ")] = None
    return list(distinct)


def every_code_point(per_caption: int = 6) -> list[str]:
    """Every code point but surrogates and the line feed, alone and between a letter and marks, some to a caption."""
    points = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF and c != 0x0A]
    cells = [f"{c} a{c}\u0301\u0323b" for c in points]
    return [" ".join(cells[i : i + per_caption]) for i in range(0, len(cells), per_caption)]


def ill_formed(count: int = 3000, seed: int = 2) -> list[bytes]:
    """Bytes that are not UTF-8: cut, overlong, surrogates, beyond U+10FFFF, and noise."""
    draw = random.Random(seed)
    parts = [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80",
             b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xff", b"\xfe", b"\x80", b"\xbf\xbf", b"cat", b" ", "é".encode(),
             "😀".encode(), b"<|endoftext|>", b"\xe2\x82\xe2\x82\xac", b"\xf0\x80\x80\x80", b"\xf1\x80"]  # fmt: skip
    result = [b"".join(draw.choice(parts) for _ in range(draw.randint(1, 8))) for _ in range(count // 2)]
    result += [draw.randbytes(draw.randint(1, 20)).replace(b"\n", b" ") for _ in range(count // 2)]
    return result


def huge(byte_count: int = 1 << 20) -> list[str]:
    """Megabyte captions: one word, many words, one mark after another, emoji, punctuation, white space, markers."""
    cells = ["a", "ab", "word ", "the quick brown fox ", "\u0301", "😀", "!", "<", " ", "<|endoftext|>", "<|endoftext", "日本", "7", "'s"]
    return [cell * (byte_count // len(cell.encode())) + " end" for cell in cells]
