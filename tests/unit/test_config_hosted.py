"""Tools that a provider runs itself, in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant_gateway.config import load_config
from assistant_gateway.errors import ConfigError

MAIN = '[backends.main]\nkind = "responses"\napi_key = { env = "KEY" }\n[assistants.default]\n'


def load(directory: Path, text: str) -> list[dict[str, object]]:
    path = directory / "config.toml"
    path.write_text(text)
    config = load_config(path, {"KEY": "sk-canary-1"})
    return [tool.model_dump() for tool in config.assistants["default"].hosted_tools]


def test_a_tool_is_a_name_or_a_table(tmp_path: Path) -> None:
    """A table's members beside its type are passed on as they are."""
    text = MAIN + (
        'hosted_tools = ["code_interpreter", { type = "file_search", vector_store_ids = ["vs_1"] },\n'
        '  { type = "web_search", filters = { allowed_domains = ["a.example"] }, live = true }]\n'
    )

    assert [
        {"type": "code_interpreter"},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}, "live": True},
    ] == load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (MAIN + 'hosted_tools = ["code_interpretr"]', 'no hosted tool "code_interpretr"; did you mean'),
        (MAIN + 'hosted_tools = ["file_search"]', '"file_search" needs vector_store_ids'),
        (MAIN + 'hosted_tools = [{ type = "file_search", vector_store_ids = [] }]', "needs vector_store_ids"),
        (
            '[assistants.default]\nbackend = "demo"\nhosted_tools = ["web_search"]',
            'the backend "demo" of kind "demo" runs no tools itself',
        ),
        (
            MAIN + 'backend = ["main", "demo"]\nhosted_tools = ["web_search"]',
            'the backend "demo" of kind "demo" runs no tools itself',
        ),
        (MAIN + "hosted_tools = [{ vector_store_ids = [] }]", "type"),
        (MAIN + "hosted_tools = [7]", "hosted_tools"),
    ],
)
def test_what_a_backend_can_not_run_is_refused_at_the_start(tmp_path: Path, text: str, why: str) -> None:
    """With file, line and key, before the first message comes; every fallback must run the tool, too."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)

    assert why in str(refused.value)
    assert "assistants.default.hosted_tools" in str(refused.value)
