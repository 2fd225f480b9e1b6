# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Sentences of right-to-left languages, of both directions, and the same number in English."""

import random

WORDS = {
    "English": "the great people of these united states have made a government by law in peace and liberty",
    "Hebrew": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם ואדי גדול בנגב",
    "Arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق وقد وهبوا عقلًا وضميرًا السَّلَام",
    "Persian": "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند",
    "Urdu": "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں",
    "mixed": "the כל People بني 1948 יולדו (x) السلام 3.5% a-ב «دنیا» law, AB12 بشرX",
}
LANGUAGES = tuple(WORDS)
RIGHT_TO_LEFT = ("Hebrew", "Arabic", "Persian", "Urdu")


def sentences(language: str, count: int = 12, most: int = 12) -> list[list[str]]:
    """Words in every order; always the same ones."""
    draw = random.Random(language)
    words = WORDS[language].split()
    return [[draw.choice(words) for _ in range(draw.randint(5, most))] for _ in range(count)]
