"""`spendstream token`: makes a token for one caller of a worker's HTTP endpoints."""

from __future__ import annotations

import click

from streams.cli.options import json_option


@click.command("token")
@click.argument("name")
@click.option(
    "--scope", type=click.Choice(["read", "control", "admin"]), default="read", show_default=True,
    help="read: figures and states; control: what people on call do; admin: repair. Each contains the ones before.",
)  # fmt: skip
@json_option()
def command(name: str, scope: str, as_json: bool) -> None:
    """Make a random token for NAME and show it once, with the lines for the file of tokens.

    Nothing is stored and nobody is asked: put the lines into the file that SPENDSTREAM_HTTP_TOKENS_FILE names and
    restart the workers; the file has the token's hash only. Whoever shows the token may do what its scope allows.

    \b
    Examples:
      spendstream token prometheus
      spendstream token oncall --scope control
    """
    import hashlib
    import secrets

    from streams.cli.output import one_json, result_only
    from streams.http.tokens import NAME

    if not NAME.fullmatch(name):
        raise click.BadParameter("a token's name has letters, digits, _ . - only, at most 64", param_hint="NAME")
    token = secrets.token_hex(24)
    digest = hashlib.sha256(token.encode()).hexdigest()
    with result_only() as say:
        if as_json:
            say(one_json({"name": name, "scope": scope, "token": token, "sha256": digest}))
            return
        say(
            f"token of {name}, shown this once:\n  {token}\n\n"
            f'for the file of tokens:\n\n["{name}"]\nscope = "{scope}"\nsha256 = "{digest}"'
        )
