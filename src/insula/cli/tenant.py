"""`insula tenant`: what a provider does with tenants, from the first one to the last."""

import functools
import webbrowser
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from insula.cli import durations, output, views, waiting, writing
from insula.cli.cluster import Cluster, run
from insula.cli.home import log_in
from insula.cli.output import Format, Output
from insula.domain.errors import UnavailableError, UsageError
from insula.domain.key_rotation import DEFAULT_GRACE_S, MAX_GRACE_S
from insula.domain.manifests import Manifest
from insula.services import asking, departures, renewing_keys, tenancy
from insula.services.renewing_keys import Rotation

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Create, watch, open, ask, suspend and delete tenants.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Creating a home with its model at hand takes some 10 s; a model of some GB has to be loaded first.
DEFAULT_TIMEOUT_S = 600.0
Name = Annotated[str, typer.Argument(help="The tenant's name.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is so; show the conditions as they change.")]
Timeout = Annotated[float, typer.Option("--timeout", help="The longest wait, in seconds.", min=0)]


@app.command()
def create(
    name: Annotated[str | None, typer.Argument(help="The tenant's name; a file may hold it, too.")] = None,
    *,
    owner: Annotated[str | None, typer.Option(help="The resident's e-mail address.")] = None,
    plan: Annotated[str | None, typer.Option(help="The plan's name; `standard` where nothing says otherwise.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A model to pull; may be given several times.")] = None,
    host: Annotated[str | None, typer.Option(help="The host name, where the plan allows another one.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A Tenant in YAML; options win over it.")] = None,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    form: Output = Format.TABLE,
) -> None:
    """Create a tenant: a Home Assistant and an Ollama of its own, with its own address."""
    base = writing.read(file) if file else None
    manifest = writing.tenant(name, base=base, owner=owner, plan=plan, models=model or (), host=host)
    made = run(lambda cluster: tenancy.create(cluster, manifest))
    final = str(made["metadata"]["name"])
    if wait:
        made = run(lambda cluster: _await_readiness(cluster, final, timeout))
    elif form is Format.TABLE:
        output.note(f"{final} is being made; `insula tenant wait {final}` shows how it comes along")
    _print_tenant(made, form)


@app.command("list")
def list_(form: Output = Format.TABLE) -> None:
    """List all tenants."""
    found = run(tenancy.look_at_all)
    if form is not Format.TABLE:
        output.emit([output.readable(each) for each in found], form)
        return
    now = datetime.now(UTC)
    output.show(output.grid(views.LIST_HEADINGS, [views.list_row(tenancy.view(each), now) for each in found]))


@app.command()
def show(name: Name, form: Output = Format.TABLE) -> None:
    """Show one tenant with its conditions: what is done, what is missing, what to do."""
    _print_tenant(run(lambda cluster: tenancy.look(cluster, name)), form)


@app.command()
def wait(name: Name, timeout: Timeout = DEFAULT_TIMEOUT_S, form: Output = Format.TABLE) -> None:
    """Wait until a tenant is ready and show its conditions as they change."""
    _print_tenant(run(lambda cluster: _await_readiness(cluster, name, timeout)), form)


@app.command()
def ask(
    name: Name,
    text: Annotated[str, typer.Argument(help="What to say.", show_default=False)],
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Add agent, request, model and times.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Ask a tenant's own Home Assistant, through its own address, and print the answer."""
    wants_trace = verbose or form is not Format.TABLE
    answer = run(lambda cluster: asking.ask(cluster, log_in, name, text, with_trace=wants_trace))
    if form is not Format.TABLE:
        output.emit(views.answer_json(answer), form)
        return
    typer.echo(answer.text)
    if verbose:
        typer.echo()
        output.show(output.facts(views.answer_facts(answer)))


@app.command("open")
def open_(
    name: Name,
    show_password: Annotated[bool, typer.Option("--show-password", help="Print the initial password, too.")] = False,
    browser: Annotated[bool, typer.Option("--browser", help="Open the address in this machine's browser.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Say where a tenant's home is and how its resident logs in for the first time."""

    async def find(cluster: Cluster) -> tuple[asking.Door, asking.Account]:
        await tenancy.look(cluster, name)
        return await asking.find_door(cluster, name), await asking.resident_account(cluster, name)

    door, account = run(find)
    if form is Format.TABLE:
        output.show(output.facts(views.login_facts(name, door, account, with_password=show_password)))
    else:
        output.emit(views.login_json(name, door, account, with_password=show_password), form)
    if browser:
        webbrowser.open(door.url)


@app.command()
def password(name: Name, form: Output = Format.TABLE) -> None:
    """Print the resident's initial password, as long as the home takes it."""
    account = run(lambda cluster: asking.initial_login(cluster, log_in, name))
    if form is Format.TABLE:
        typer.echo(account.password)
    else:
        output.emit({"tenant": name, "username": account.username, "password": account.password}, form)


@app.command("rotate-key")
def rotate_key(
    name: Name,
    *,
    grace: Annotated[
        str, typer.Option(help="How long the old key still opens, like 90s, 15m or 1d; 0s for a stolen one.")
    ] = durations.words(DEFAULT_GRACE_S),
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Home Assistant has the new key.")] = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    form: Output = Format.TABLE,
) -> None:
    """Give a home a new key for the gateway; its Home Assistant is told by the operator."""
    grace_s = min(durations.seconds(grace), MAX_GRACE_S)
    rotation = run(lambda cluster: _rotate_key(cluster, name, grace_s, timeout_s=timeout if wait else None))
    if form is Format.TABLE:
        output.note(views.rotation_words(rotation, in_use=wait))
    else:
        output.emit(views.rotation_json(rotation, in_use=wait), form)


@app.command()
def suspend(name: Name, wait: Wait = False, timeout: Timeout = DEFAULT_TIMEOUT_S, form: Output = Format.TABLE) -> None:
    """Stop a tenant's pods; its data and its address stay."""
    changed = run(lambda cluster: _suspend(cluster, name, suspended=True, timeout_s=timeout if wait else None))
    _tell(f"{name} is suspended; `insula tenant resume {name}` wakes the home", changed, form)


@app.command()
def resume(name: Name, wait: Wait = False, timeout: Timeout = DEFAULT_TIMEOUT_S, form: Output = Format.TABLE) -> None:
    """Start a suspended tenant again."""
    changed = run(lambda cluster: _suspend(cluster, name, suspended=False, timeout_s=timeout if wait else None))
    under_way = f"{name} is waking; `insula tenant wait {name}` shows how far it is"
    _tell(f"{name} is awake" if wait else under_way, changed, form)


@app.command()
def delete(
    name: Name,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Destroy the data, whatever the tenant's policy says.")
    ] = False,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    form: Output = Format.TABLE,
) -> None:
    """Delete a tenant. Its data stays unless its policy is Delete, or --purge is given."""
    destroys = run(lambda cluster: tenancy.will_destroy(cluster, name, purge=purge))
    output.note(views.deletion_warning(name, destroys=destroys))
    if not yes:
        typer.confirm(f"Delete {name}?", abort=True, err=True)
    patience_s = timeout if wait else None
    run(lambda cluster: _delete(cluster, name, purge=purge, destroys=destroys, timeout_s=patience_s))
    if form is Format.TABLE:
        output.note(f"{name} is gone" if wait else f"{name} is going")
    else:
        output.emit({"tenant": name, "dataDestroyed": destroys, "gone": wait}, form)


@app.command("confirm-deletion")
def confirm_deletion(
    tenants: Annotated[list[str] | None, typer.Argument(metavar="[NAMES]", help="The tenants' names.")] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="All homes that the brake holds.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let homes go that the brake holds because many lost their Tenants at once."""
    chosen = _chosen(tenants, departures.held if all_ else None)
    if not yes:
        typer.confirm(f"Let {len(chosen)} homes go: {', '.join(chosen)}?", abort=True, err=True)
    for name in chosen:
        run(functools.partial(departures.confirm, name=name))
        output.note(f"{name} may go")


@app.command()
def adopt(
    tenants: Annotated[list[str] | None, typer.Argument(metavar="[NAMES]", help="The tenants' names.")] = None,
    *,
    all_: Annotated[
        bool, typer.Option("--all", help="All homes that the brake holds and that have a Tenant again.")
    ] = False,
) -> None:
    """Give Tenants that were made again the homes that bear their names."""
    for name in _chosen(tenants, departures.adoptable if all_ else None):
        identity = run(functools.partial(departures.adopt, name=name))
        output.note(f"{name} takes over the home {identity}")


def _chosen(tenants: list[str] | None, all_of: Callable[[Cluster], Awaitable[list[str]]] | None) -> list[str]:
    chosen = run(all_of) if all_of else list(tenants or ())
    if not chosen:
        raise UsageError("no home is named, or none is held", remedy="name tenants, or say --all")
    return chosen


async def _await_readiness(cluster: Cluster, name: str, timeout_s: float) -> Manifest:
    await waiting.until(
        tenancy.follow(cluster, name),
        _is_ready,
        timeout_s=timeout_s,
        goal=f"{name} being ready",
        console=Console(stderr=True, highlight=False, markup=False),
    )
    return await tenancy.look(cluster, name)


def _is_ready(seen: tenancy.TenantView) -> bool:
    if seen.suspended:  # it would not become ready by waiting
        raise UnavailableError(
            f"{seen.name} is suspended", remedy=f"`insula tenant resume {seen.name} --wait` wakes it"
        )
    return seen.is_ready


async def _rotate_key(cluster: Cluster, name: str, grace_s: int, *, timeout_s: float | None) -> Rotation:
    rotation = await renewing_keys.ask(cluster, name, grace_s=grace_s, now=datetime.now(UTC))
    if timeout_s is not None:
        await renewing_keys.wait(cluster, rotation, timeout_s=timeout_s)
    return rotation


async def _suspend(cluster: Cluster, name: str, *, suspended: bool, timeout_s: float | None) -> Manifest:
    changed = await tenancy.suspend(cluster, name, suspended=suspended)
    if timeout_s is None:
        return changed
    if not suspended:
        return await _await_readiness(cluster, name, timeout_s)
    goal = f"{name} being suspended"
    await waiting.until_gone(lambda: tenancy.running_pods(cluster, name), timeout_s=timeout_s, goal=goal)
    return await tenancy.look(cluster, name)


async def _delete(cluster: Cluster, name: str, *, purge: bool, destroys: bool, timeout_s: float | None) -> None:
    await tenancy.delete(cluster, name, purge=purge)
    if timeout_s is not None:

        async def left() -> list[str]:
            await departures.require_not_held(cluster, name)
            return await tenancy.what_is_left(cluster, name, destroys=destroys)

        await waiting.until_gone(left, timeout_s=timeout_s, goal=f"the end of {name}")


def _tell(text: str, manifest: Manifest, form: Format) -> None:
    if form is Format.TABLE:
        output.note(text)
    else:
        output.emit(output.readable(manifest), form)


def _print_tenant(manifest: Manifest, form: Format) -> None:
    if form is not Format.TABLE:
        output.emit(output.readable(manifest), form)
        return
    tenant = tenancy.view(manifest)
    output.show(output.facts(views.facts(tenant)))
    rows, styles = views.condition_rows(tenant)
    if rows:
        typer.echo()
        output.show(output.grid(views.CONDITION_HEADINGS, rows, styles=styles))
