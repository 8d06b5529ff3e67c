"""Questions as people really type them: other openings, synonyms, lost words, typos, odd case and punctuation."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml


@dataclass(frozen=True)
class Noise:
    """What noise.yaml lists: interchangeable openings and words, what may surround a question, words that may go."""

    frames: list[list[str]]
    synonyms: list[list[str]]
    before: list[str]
    after: list[str]
    droppable: list[str]
    stray: list[str]
    systems: list[str]

    def disturb(self, question: str, rng: Random) -> str:
        """The same question in another form."""
        words = self.reframe(question, rng).split(" ")
        words = self.swap_synonyms(words, rng)
        words = self.lose_words(words, rng)
        words = self.stray_words(words, rng)
        words = misspell(words, rng)
        text = punctuate(" ".join(words), rng)
        return change_case(self.surround(text, rng), rng)

    def reframe(self, question: str, rng: Random) -> str:
        for frame in self.frames:
            for opening in frame:
                if question.startswith(opening + " ") and rng.random() < 0.5:
                    return rng.choice(frame) + question[len(opening) :]
        return question

    def swap_synonyms(self, words: list[str], rng: Random) -> list[str]:
        return [self.synonym(word, rng) if rng.random() < 0.3 else word for word in words]

    def synonym(self, word: str, rng: Random) -> str:
        core = word.strip("?!.,:;").lower()
        for group in self.synonyms:
            if core in group:
                return word.lower().replace(core, rng.choice(group))
        return word

    def lose_words(self, words: list[str], rng: Random) -> list[str]:
        strength = rng.choice((0.0, 0.0, 0.2, 0.6))
        if len(words) < 3 or not strength:
            return words
        kept = [word for word in words if rng.random() > self.chance_of_loss(word, strength)]
        return kept or words

    def chance_of_loss(self, word: str, strength: float) -> float:
        return strength if word.lower() in self.droppable else strength / 6

    def stray_words(self, words: list[str], rng: Random) -> list[str]:
        """Small words in places where they need not belong, and now and then any order at all."""
        if len(words) < 3:
            return words
        words = list(words)
        for _ in range(rng.choice((0, 0, 0, 1, 2, 3))):
            words.insert(rng.randrange(len(words) + 1), rng.choice(self.stray))
        return rng.sample(words, len(words)) if rng.random() < 0.08 else words

    def surround(self, text: str, rng: Random) -> str:
        if rng.random() < 0.15:
            text = f"{rng.choice(self.before)} {text[0].lower()}{text[1:]}"
        if rng.random() < 0.12:
            text = f"{text.rstrip('?')} {rng.choice(self.after)}"
        return text


def load_noise(path: Path) -> Noise:
    return Noise(**yaml.safe_load(path.read_text(encoding="utf-8")))


def misspell(words: list[str], rng: Random) -> list[str]:
    chance = rng.choice((0.0, 0.0, 0.1, 0.25))
    return [typo(word, rng) if len(word) > 3 and rng.random() < chance else word for word in words]


def typo(word: str, rng: Random) -> str:
    """One letter lost, doubled, or exchanged with the next one."""
    at = rng.randrange(len(word) - 1)
    return rng.choice(
        (word[:at] + word[at + 1 :], word[: at + 1] + word[at:], word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    )


def punctuate(text: str, rng: Random) -> str:
    if rng.random() < 0.5:
        return text
    return (text.rstrip("?.!") or text) + rng.choice(("", "", "", "?", "??", "!", "."))


def change_case(text: str, rng: Random) -> str:
    draw = rng.random()
    if draw < 0.4:
        return text.lower()
    return text.upper() if draw < 0.44 else text
