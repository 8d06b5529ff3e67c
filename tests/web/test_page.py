"""What the page says of the model and its Space."""

from __future__ import annotations

import pytest

from streamspace.config.model import Model
from streamspace.web.page.page import origin


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("models/tiny", "<p>models/tiny</p>"),  # a folder, though without a dot
        ("./models/tiny", "<p>./models/tiny</p>"),
        ("owner/name", '<p><a href="https://huggingface.co/owner/name">owner/name</a></p>'),
    ],
)
def test_a_model_of_the_hub_is_a_link_and_a_folder_is_not(name: str, expected: str) -> None:
    assert origin(Model(id=name), None) == expected
