"""A generator of short first-person posts that express one of six emotions.

The task has to be small enough to learn in a minute on two cores and still need an encoder, or
the demo would show a Transformer losing to a linear model. So most texts mention *two* emotions,
and only their structure tells which of the two the writer holds:

    everyone expected me to be furious but i was honestly thrilled          -> joy
    i was furious even though everyone expected me to be quite thrilled     -> anger

Every such frame has a mirror with the same words in the other order, the denied emotion is drawn
with the same shares as the held one, and the words that decide stand apart from the emotion
words. A bag of n-grams sees both emotions in either case and has little but a guess between them.
The remaining texts hold a single emotion, told by its name, by what the writer did, or only by
what happened.

How to read the grammar: `{name}` is replaced by a random line of `_WORDS[name]`; `{+adj}` by a
phrase of the emotion that the writer holds; `{-adj}` by one of the emotion that is denied, past,
pretended, expected or somebody else's. The kinds of phrase are `adj` (fits after "i was"), `noun`,
`very_adj` and `much_noun` (the same, often with an intensifier), `do`, `did`, `doing` (an act in
three forms) and `event` (a clause: what happened).

As in data labelled by people, one in fifty of the longer words is mistyped, apostrophes get lost,
and about 2% of the labels are wrong, which bounds every score near 0.98. The class shares are
those of the public "emotion" data (Saravia et al., CARER, EMNLP 2018), from its 16,000 training
texts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

LABELS: tuple[str, ...] = ("sadness", "joy", "love", "anger", "fear", "surprise")
"""The label names; a label is its position here."""

COUNTS: tuple[int, ...] = (4666, 5362, 1304, 2159, 1937, 572)
"""Texts per label in the data whose imbalance is copied."""

WRONG_LABELS = 0.02
"""Share of the texts that carry another label than the writer's emotion."""

TWO_EMOTIONS = 0.56
"""Share of the texts that mention a second emotion, which does not hold."""

HELD_LAST = 0.6
"""Share of those where the emotion that holds is told last, as people mostly do."""

SLIPS = 0.02
"""Share of the words of four letters or more that are mistyped."""

_ADJECTIVES: dict[str, str] = {
    "sadness": "sad|miserable|heartbroken|lonely|down|gloomy|hopeless|hurt|empty|gutted|unhappy|"
    "dejected|homesick|low|sorrowful|tearful|defeated|depressed|crushed|forlorn",
    "joy": "happy|thrilled|delighted|overjoyed|cheerful|content|excited|glad|elated|pleased|"
    "ecstatic|proud|relieved|jolly|upbeat|joyful|hopeful|grateful|giddy|carefree",
    "love": "in love|smitten|besotted|adored|loved|devoted|cherished|tender|full of love|"
    "head over heels|affectionate|infatuated|lovestruck|enamoured|romantic",
    "anger": "angry|furious|livid|annoyed|irritated|outraged|mad|bitter|resentful|enraged|"
    "cross|fuming|offended|seething|irate|disgusted|grumpy",
    "fear": "scared|afraid|terrified|nervous|anxious|frightened|worried|panicky|uneasy|petrified|"
    "on edge|alarmed|fearful|shaky|intimidated|paranoid",
    "surprise": "surprised|amazed|astonished|stunned|shocked|dumbfounded|flabbergasted|speechless|"
    "taken aback|gobsmacked|baffled|blown away|bewildered",
}

_NOUNS: dict[str, str] = {
    "sadness": "grief|sadness|heartache|misery|sorrow|gloom|despair|loneliness|regret",
    "joy": "happiness|delight|joy|excitement|glee|pride|relief|bliss|gratitude",
    "love": "tenderness|affection|devotion|adoration|fondness|love|romance",
    "anger": "rage|anger|fury|resentment|irritation|outrage|bitterness|annoyance",
    "fear": "dread|panic|terror|anxiety|fear|worry|unease|fright",
    "surprise": "astonishment|amazement|shock|surprise|disbelief|bewilderment",
}

# An act is written do/did/doing, then the rest of the phrase.
_ACTS: dict[str, str] = {
    "sadness": "cry/cried/crying in the car|burst/burst/bursting into tears|"
    "sob/sobbed/sobbing into my pillow|mope/moped/moping around the house|"
    "weep/wept/weeping over old photos|lie/lay/lying in bed with the curtains closed|"
    "shut/shut/shutting myself away in my room|mourn/mourned/mourning what was lost",
    "joy": "grin/grinned/grinning like a fool|dance/danced/dancing round the kitchen|"
    "hum/hummed/humming to myself all day|laugh/laughed/laughing out loud|"
    "punch/punched/punching the air|skip/skipped/skipping down the street|"
    "open/opened/opening a bottle to celebrate|smile/smiled/smiling at strangers",
    "love": "kiss/kissed/kissing her forehead|write/wrote/writing him a love letter|"
    "hold/held/holding her close|cuddle/cuddled/cuddling up to him|melt/melted/melting in his arms|"
    "hug/hugged/hugging them tight|gaze/gazed/gazing into her eyes",
    "anger": "slam/slammed/slamming the door|shout/shouted/shouting at the screen|"
    "throw/threw/throwing my phone at the wall|snap/snapped/snapping at everyone|"
    "storm/stormed/storming out of the room|grit/gritted/gritting my teeth|"
    "yell/yelled/yelling down the phone|kick/kicked/kicking the bin",
    "fear": "shake/shook/shaking like a leaf|freeze/froze/freezing on the spot|"
    "check/checked/checking the locks again|tremble/trembled/trembling in the dark|"
    "sleep/slept/sleeping with the lights on|run/ran/running for my life|"
    "lie/lay/lying awake imagining the worst|back/backed/backing away slowly",
    "surprise": "gasp/gasped/gasping out loud|do/did/doing a double take|"
    "rub/rubbed/rubbing my eyes|stare/stared/staring with my mouth open|"
    "blink/blinked/blinking at it twice|pinch/pinched/pinching myself|"
    "say/said/saying wow again and again",
}

_EVENTS: dict[str, str] = {
    "sadness": "{pet} died|nobody came to {party}|he left without saying goodbye|"
    "i packed up {kin}'s old clothes|we said our last goodbye to {kin}|"
    "i ate my birthday dinner alone|she gave the ring back|{kin} moved away for good|"
    "i found out {pet} is not going to get better|i stood at the grave with {kin}|"
    "they all went to {party} without me",
    "joy": "i passed {exam} with top marks|we got the keys to our first home|"
    "the test came back all clear|our team won in the last minute|i finally finished {work}|"
    "{kin} came home safe and well|they offered me the job|the sun came out for {party}|"
    "the whole room clapped for {work}|{pet} won first prize|i got the place i applied for",
    "love": "{partner} fell asleep on my shoulder|{partner} learned my favourite song for me|"
    "my baby held my finger for the first time|{partner} kept every letter i ever wrote|"
    "{partner} kissed me goodnight {place}|{kin} drove for hours just to hug me|"
    "{partner} held my hand all the way home|i watched {partner} sleep and counted my luck|"
    "{partner} brought me flowers {place}",
    "anger": "{boss} took the credit for {work}|someone scratched my car and drove off|"
    "they charged me twice and refused a refund|he lied straight to my face|"
    "{boss} read my messages behind my back|the people upstairs played loud music until four|"
    "the landlord kept our deposit for no reason|some idiot pushed in front of {kin}|"
    "{boss} blamed me for the delay|they cheated me out of my share",
    "fear": "somebody followed me home|i heard footsteps in the empty house|"
    "the plane dropped and the lights went out|the doctor wants to run more tests|"
    "i lost sight of my little boy in the crowd|the brakes failed on the hill|"
    "a stranger tried my door handle at midnight|something growled behind me in the dark|"
    "{kin} was not answering and the roads were icy|the ice cracked under my feet",
    "surprise": "i opened the door and everyone i know was standing there|"
    "{kin} turned up unannounced from the other side of the world|"
    "it turned out {boss} is my cousin|it snowed in the middle of june|"
    "{kin} announced twins out of nowhere|my quiet neighbour turned out to be a famous singer|"
    "they drew my name out of nine hundred|a parrot flew in and said my name",
}

_WORDS: dict[str, str] = {
    "very": "so|really|honestly|genuinely|truly|quite|completely|actually|pretty|utterly|"
    "very|absolutely|seriously",
    "bit": "really|very|that|even a bit|the least bit|in any way|at all",
    "pure": "pure|sheer|nothing but|real|something like|a wave of|a lot of",
    "iam": "i am|i'm|i feel|i'm feeling",
    "iwas": "i was|i felt",
    "everyone": "everyone|everybody|people|they all|{kin}|my friends",
    "kin": "my sister|my brother|my mum|my dad|my best friend|my cousin|my aunt|my grandad|"
    "my flatmate|my uncle",
    "partner": "my husband|my wife|my girlfriend|my boyfriend|my fiance|my partner",
    "pet": "our dog|my old cat|my rabbit|our pony",
    "boss": "my boss|my manager|a colleague|my supervisor|the new guy",
    "exam": "my driving test|the final exam|the maths exam|my piano exam",
    "work": "my thesis|the report|my first novel|the garden project|my painting|the school play",
    "party": "my birthday|the barbecue|the picnic|our housewarming|the reunion",
    "when": "this morning|last night|yesterday|on monday|over the weekend",
    "place": "at the station|in the kitchen|at the airport|on the beach|outside the cinema",
    "thing": "the meeting|the wedding|the match|the phone call|the move|the interview|the news|"
    "the school run|the concert|the road trip|the haircut|the first lesson|the email|the exam|"
    "the family dinner|the doctor's visit|the night shift|the train ride|the lab result",
    "opening": "ok so|well|so|update|not gonna lie|long story short|right|on the way home|{when}|"
    "about {thing}|after {thing}|you asked about {thing}|a word about {thing}|"
    "thinking about {thing}|a quick note on {thing}",
    "tail": ", after {thing}|, even after {thing}| {place}|, for what it's worth|, as i told {kin}|"
    " and {kin} could tell| and i wrote it all down|, and {thing} was only on tuesday|"
    " and that's all i'll say about {thing}",
    "aside": "the bus was late as usual|it's been raining since noon|i had soup for lunch|"
    "{kin} says hello|we're back in town on sunday|the shop closes at six|my phone is at 4%|"
    "{kin} came round for tea|more about {thing} later|i took the long way home",
}

_ONE_EMOTION: tuple[str, ...] = (
    "{iam} {+very_adj}",
    "{iwas} {+very_adj}",
    "i can't help it, {iam} {+very_adj}",
    "{+event} and {iam} {+very_adj}",
    "{+event} and i {+did}",
    "{+event}",
    "{+event}",
    "{+event}. {+much_noun}, that's all there is",
    "{iwas} {+very_adj} when {+event}",
    "i {+did} because {+event}",
    "i keep {+doing}",
    "i ended up {+doing}",
    "i don't know why but i {+did}",
    "what i feel is {+much_noun}",
    "there's {+much_noun} in every bit of me",
    "i didn't expect {+much_noun} but here we are",
    "i wasn't going to post this but {iam} {+very_adj}",
    "{kin} asked how i am and i said {+very_adj}",
    "i can't explain how {+adj} i feel",
)

# Two emotions, what holds told last; `_HELD_FIRST` has the mirror of each in the same place.
_HELD_LAST: tuple[str, ...] = (
    "{everyone} expected me to be {-very_adj} but {iwas} {+very_adj}",
    "{everyone} expected me to {-do} but i {+did}",
    "i was not {bit} {-adj}, {iwas} {+very_adj}",
    "i'm not {bit} {-adj}, i'm {+very_adj}",
    "i did not {-do}, i {+did}",
    "instead of being {-very_adj} {iam} {+very_adj}",
    "rather than {-much_noun} i felt {+much_noun}",
    "i used to be {-very_adj} whenever it came up, now {iam} {+very_adj}",
    "{kin} was {-very_adj} but {iwas} {+very_adj}",
    "{kin} thinks i'm {-very_adj} when the truth is that i'm {+very_adj}",
    "{-much_noun} is what i expected, {+much_noun} is what i got",
    "i thought i would {-do} but i ended up {+doing}",
    "last night i dreamt that {-event}, but today {+event}",
    "even though {-event}, {iwas} {+very_adj}",
)

_HELD_FIRST: tuple[str, ...] = (
    "{iwas} {+very_adj} but {everyone} expected me to be {-very_adj}",
    "i {+did} but {everyone} expected me to {-do}",
    "{iwas} {+very_adj}, i was not {bit} {-adj}",
    "i'm {+very_adj}, i'm not {bit} {-adj}",
    "i {+did}, i did not {-do}",
    "{iam} {+very_adj} instead of being {-very_adj}",
    "i felt {+much_noun} rather than {-much_noun}",
    "now {iam} {+very_adj} whenever it comes up, where i used to be {-very_adj}",
    "{iwas} {+very_adj} but {kin} was {-very_adj}",
    "the truth is that i'm {+very_adj} when {kin} thinks i'm {-very_adj}",
    "{+much_noun} is what i got, {-much_noun} is what i expected",
    "i ended up {+doing} but i thought i would {-do}",
    "today {+event}, but last night i dreamt that {-event}",
    "{iwas} {+very_adj} even though {-event}",
)

_LISTS = {"adj": _ADJECTIVES, "noun": _NOUNS, "event": _EVENTS}
_ACT_FORMS = ("do", "did", "doing")
_SLOT = re.compile(r"\{([+-]?)(\w+)\}")
_WORD = re.compile(r"[A-Za-z]{4,}")


def generate(n: int, seed: int) -> tuple[list[str], list[int]]:
    """`n` texts and their labels (positions in `LABELS`); the same `n` and `seed` give the same.

    Every class gets its share of `n`, rounded, before labels are made wrong, and at least one text
    where `n` is 7 or more. Use different seeds for texts to train on and texts to measure on.
    """
    rng = random.Random(seed)
    held = list(_apportion(n))
    rng.shuffle(held)
    texts = [_text(label, rng) for label in held]
    return texts, [_as_labelled(label, rng) for label in held]


def _apportion(n: int) -> Iterator[int]:
    """The label of each of `n` texts, sorted: rounded shares, the rest to the largest class."""
    shares = [max(1, round(n * count / sum(COUNTS))) for count in COUNTS]
    largest = COUNTS.index(max(COUNTS))
    shares[largest] = max(0, n - sum(shares) + shares[largest])
    labels = [label for label, share in enumerate(shares) for _ in range(share)]
    yield from labels[:n]


def _text(label: int, rng: random.Random) -> str:
    """One post whose writer holds the emotion `label`."""
    held, denied = LABELS[label], LABELS[_other(label, rng)]
    frames = _ONE_EMOTION
    if rng.random() < TWO_EMOTIONS:
        frames = _HELD_LAST if rng.random() < HELD_LAST else _HELD_FIRST
    text = _fill(_surround(rng.choice(frames), rng), held, denied, rng)
    return _finish(_mistype(text, rng), rng)


def _other(label: int, rng: random.Random) -> int:
    """Another label, drawn with the classes' own shares."""
    others = [other for other in range(len(LABELS)) if other != label]
    return rng.choices(others, [COUNTS[other] for other in others])[0]


def _surround(frame: str, rng: random.Random) -> str:
    """The frame with neutral words before or after it, so that its own words shift about."""
    draw = rng.random()
    if draw < 0.5:
        frame = "{opening}" + rng.choice((", ", ", ", " - ", ": ")) + frame
    elif draw < 0.85:
        frame += "{tail}"
    if rng.random() < 0.2:
        frame = "{aside}. " + frame if rng.random() < 0.5 else frame + ". {aside}"
    return frame


def _fill(template: str, held: str, denied: str, rng: random.Random) -> str:
    """Replace slots until none is left."""

    def line(slot: re.Match[str]) -> str:
        sign, name = slot.groups()
        return _phrase(name, denied if sign == "-" else held, rng) if sign else _word(name, rng)

    while _SLOT.search(template):
        template = _SLOT.sub(line, template)
    return template


def _word(name: str, rng: random.Random) -> str:
    return rng.choice(_WORDS[name].split("|"))


def _phrase(kind: str, emotion: str, rng: random.Random) -> str:
    """A phrase of `kind` that expresses `emotion`; it may hold slots of neutral words."""
    if kind == "very_adj":
        return ("{very} " if rng.random() < 0.75 else "") + _phrase("adj", emotion, rng)
    if kind == "much_noun":
        return ("{pure} " if rng.random() < 0.75 else "") + _phrase("noun", emotion, rng)
    if kind in _ACT_FORMS:
        forms, _, rest = rng.choice(_ACTS[emotion].split("|")).partition(" ")
        return f"{forms.split('/')[_ACT_FORMS.index(kind)]} {rest}"
    return rng.choice(_LISTS[kind][emotion].split("|"))


def _mistype(text: str, rng: random.Random) -> str:
    """Drop, double or swap a letter in a few of the longer words, and lose some apostrophes."""

    def slip(match: re.Match[str]) -> str:
        word = match.group()
        if rng.random() >= SLIPS:
            return word
        at = rng.randrange(len(word) - 1)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return rng.choice((word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], swapped))

    if rng.random() < 0.3:
        text = text.replace("'", "")
    return _WORD.sub(slip, text)


def _finish(text: str, rng: random.Random) -> str:
    """Closing punctuation, and in a fifth of the texts capitals where they belong."""
    text += rng.choice(("", "", "", ".", ".", "!", "..."))
    if rng.random() < 0.2:
        text = re.sub(r"\bi\b", "I", text)
        text = re.sub(r"(^|[.!?] )([a-z])", lambda start: start[1] + start[2].upper(), text)
    return text


def _as_labelled(label: int, rng: random.Random) -> int:
    """The label an annotator gives: now and then another one, by the classes' shares."""
    return _other(label, rng) if rng.random() < WRONG_LABELS else label
