"""`headwater key`: keys for publishers."""

from __future__ import annotations

from typing import Annotated

import typer

from streaming.cli_output import JsonOption, fail, out, print_json

key = typer.Typer(name="key", help="Keys for publishers.", no_args_is_help=True)


@key.callback()
def commands() -> None:
    """Keys for publishers."""


@key.command()
def new(
    own: Annotated[
        bool, typer.Option("--own", help="Read a key of your own from standard input.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a publish key: the key is for the encoder, its hash for the configuration."""
    from streaming.auth.publish_keys import MAX_KEY_CHARS, hash_key, new_key

    text = typer.get_text_stream("stdin").readline().strip() if own else new_key()
    if not 0 < len(text) <= MAX_KEY_CHARS:
        fail(f"a key has 1 to {MAX_KEY_CHARS} characters")
    hashed = hash_key(text)
    if as_json:
        print_json({"key": text, "hash": hashed})
        return
    out.print(f"key   {text}", highlight=False, markup=False, soft_wrap=True)
    out.print(f'publish_keys = ["{hashed}"]', highlight=False, markup=False, soft_wrap=True)
