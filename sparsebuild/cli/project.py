"""A project opened: its documents read, its lock held against the manifest, and the graph that follows from them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild import lock as locks
from sparsebuild import manifest as manifests
from sparsebuild.atomic import refuse_links, sweep
from sparsebuild.cli import apart, laid, memory
from sparsebuild.digest import canonical_json
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import LockOutOfDate, Problem, RecipeError, SourceUnavailable, UserError
from sparsebuild.layout import LOCK_NAME, MANIFEST_NAME, ProjectLayout, cache_folder
from sparsebuild.lock import Difference, Lock, MergeMarkers
from sparsebuild.manifest import Manifest, Written, setting
from sparsebuild.providers import LOCAL, Context, scheme_of
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from sparsebuild.engine.graph import Graph
    from sparsebuild.manifest import Recipe
    from sparsebuild.pipeline import RecipeFacts
    from sparsebuild.recipe import BadArguments

__all__ = [
    "Project",
    "answered",
    "changes",
    "check_variant",
    "conflict",
    "decided",
    "graph",
    "keep_lock",
    "lock_again",
    "open_project",
    "out_of_date",
    "refuse_changes",
    "remember_documents",
]

_Say = Callable[[str], None]
_Progress = Callable[[float, float, str], None]  # done, total, unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a command knows of a project."""

    layout: ProjectLayout
    manifest: Manifest
    written: Written  # sparse.toml, and what is laid over it
    lock: Lock | None  # the one in force
    lock_file: str  # where it stands, or will
    committed: Lock | None  # sparse.lock, which another one may be in force for
    is_frozen: bool = False  # the lock is taken as it is, whatever is asked for and local files are
    sides: tuple[Lock, ...] = ()  # of the merge conflict that sparse.lock holds; then it is none, and these answer
    mixed: frozenset[str] = frozenset()  # sources that the merge put together out of both sides
    context: Context  # for providers
    store: Store
    stat_cache: StatCache


def open_project(
    folder: Path,
    say: _Say | None = None,
    progress: _Progress | None = None,
    *,
    profile: str = "",
    settings: Sequence[str] = (),
    text: str | None = None,  # in place of what stands in sparse.toml
) -> Project:
    """Read `sparse.toml`, with a profile and `--set`s laid over it, and its lock. Writes nothing.

    A lock with the marks of a merge conflict is none; the pins of both sides are those that stand until it is locked.
    """
    layout = ProjectLayout(folder.resolve())
    refuse_links(layout.root, layout.state)
    text = manifests.read_text(folder / MANIFEST_NAME) if text is None else text
    written = Written(text=text, profile=profile, settings=tuple(map(setting, settings)))
    manifest = _remembered(layout, written)
    if manifest is None:
        manifest = manifests.parse(text, str(folder / MANIFEST_NAME), profile=profile, settings=settings)
    store, stat_cache = Store(cache_folder()), StatCache(layout.stats)
    context = Context(
        root=layout.root, store=store, digests=stat_cache, temporary=cache_folder() / "temporary", written=written
    )
    context = replace(context, report=say) if say else context
    context = replace(context, progress=progress) if progress else context
    committed, sides, mixed = _lock(layout.lock)
    known = _healed(manifest, sides) if sides else committed
    lock = apart.in_force(layout, manifest, known) if written.is_changed else known
    return Project(
        layout=layout,
        manifest=manifest,
        written=written,
        lock=lock,
        lock_file=LOCK_NAME if lock is known else apart.shown(layout, manifest),
        committed=committed,
        sides=sides,
        mixed=mixed,
        context=context,
        store=store,
        stat_cache=stat_cache,
    )


def changes(project: Project) -> tuple[Difference, ...]:
    """What the lock lacks of what `sparse.toml` asks and the local files are. Uses no network."""
    from sparsebuild.resolve import is_current

    if project.is_frozen:
        return ()
    return is_current(project.manifest, project.lock, project.context)


def decided(project: Project, upgrade: Collection[str] = ()) -> Project:
    """The project with a lock in which what changed, or is to be upgraded, is decided anew; nothing is written.

    A recipe that could not be run is refused here, before anything is fetched for it.
    """
    from sparsebuild.resolve import resolve

    locked = _with_lock(project, resolve(project.manifest, project.lock, project.context, upgrade, project.mixed))
    graph(locked)
    return locked


def lock_again(project: Project, upgrade: Collection[str] = (), say: _Say = lambda sentence: None) -> Project:
    """Decide anew as `decided` does, and write it."""
    say(_about_to_lock(project))
    return keep_lock(decided(project, upgrade))


def keep_lock(locked: Project) -> Project:
    """Write the lock that was decided: `sparse.lock`, or a lock apart for other sources."""
    assert locked.lock is not None
    with contextlib.suppress(OSError):  # what was pinned may be in the cache already, and `gc` should know for whom
        locked.store.know(locked.layout.root)
    if locked.lock_file == LOCK_NAME:
        sweep(locked.layout.root)
        locks.write(locked.layout.lock, locked.lock)
        return replace(locked, committed=locked.lock, sides=(), mixed=frozenset())
    apart.keep(locked.layout, locked.manifest, locked.lock)
    return locked


def conflict(project: Project) -> Iterator[str]:
    """Sentences about the merge conflict in `sparse.lock`, and what becomes of pins that both sides have."""
    if not project.sides:
        return
    yield f"{LOCK_NAME} holds a merge conflict" + ("" if project.mixed else ": what either side pinned is kept")
    ours, theirs = _healed(project.manifest, project.sides), _healed(project.manifest, project.sides[::-1])
    for found in locks.differences(ours, theirs):
        source = ours.source(found.source)
        if source and source.name not in project.mixed and scheme_of(source.request) not in LOCAL:  # as it lies here
            what = f"{found.change} {found.path}".strip()
            yield f"{found.source}: {what} {found.old or 'none'} is kept; on the other side it is {found.new or 'none'}"


def _about_to_lock(project: Project) -> str:
    if _is_apart(project):
        where = apart.shown(project.layout, project.manifest)
        return (
            f"{project.written.laid_over} asks for other sources: locking them in {where}; {LOCK_NAME} stays as it is"
        )
    if project.sides:
        return "\n".join(conflict(project))
    return f"{LOCK_NAME} is out of date: locking" if project.committed else f"there is no {LOCK_NAME}: locking"


def _is_apart(project: Project) -> bool:
    return project.written.is_changed and apart.asks_otherwise(project.written, project.manifest)


def _with_lock(project: Project, lock: Lock) -> Project:
    """The project with the lock that answers it; `sparse.lock` is for the sources of the file alone."""
    where = apart.shown(project.layout, project.manifest) if _is_apart(project) else LOCK_NAME
    return replace(project, lock=lock, lock_file=where)


def answered(project: Project) -> Project | None:
    """The project with the lock that a run would use, as far as that is known here: nothing is asked of a network.

    None when there is no lock and none can be made.
    """
    if not changes(project):
        return project
    from sparsebuild.resolve import resolve

    try:
        lock = resolve(project.manifest, project.lock, replace(project.context, offline=True))
    except SourceUnavailable:
        return project if project.lock else None
    return _with_lock(project, lock)


def refuse_changes(project: Project) -> None:
    """Raise LockOutOfDate, which says what would change, unless `sparse.lock` answers what is asked."""
    found = changes(replace(project, lock=project.committed))
    if found:
        raise out_of_date(found, project)


def out_of_date(differences: Collection[Difference], project: Project) -> LockOutOfDate:
    """The error that says what would change in `sparse.lock`."""
    there_is = project.committed is not None
    message = f"`{LOCK_NAME}` does not answer `{MANIFEST_NAME}`" if there_is else f"there is no `{LOCK_NAME}`"
    hint = "run `sparsebuild lock` and commit what it writes"
    if project.sides:
        message = f"`{LOCK_NAME}` holds a merge conflict"
        hint = "run `sparsebuild lock`, which resolves it, and commit what it writes"
    if _is_apart(project):
        message = f"`{LOCK_NAME}` does not answer {project.written.laid_over}, which asks for other sources"
        hint = "other sources are locked apart, for such runs alone: leave out `--locked`, or in CI say `--no-locked`"
    frame = "\n".join(f"  {difference}" for difference in differences) if there_is else ""
    return LockOutOfDate(Problem(message=message, frame=frame, hint=hint))


def graph(project: Project) -> Graph:
    """The targets of the project."""
    from sparsebuild import pipeline
    from sparsebuild.cli.matching import arriving_bits, starts_float
    from sparsebuild.origins import Documents

    assert project.lock is not None  # commands lock first
    known = {name: _facts(project, name) for name in _recipes(project.manifest)}
    facts = known.pop("", None)
    documents = Documents(
        written=project.written,
        recipe=facts.places if facts else {},
        lock=project.lock,
        lock_file=project.lock_file,
        before=laid.reader(project.layout),
    )
    return pipeline.graph(
        project.manifest,
        project.lock,
        facts,
        documents,
        known,
        starts_float=partial(starts_float, project),
        arriving_bits=partial(arriving_bits, project),
    )


def check_variant(project: Project, name: str) -> None:
    """Raise UserError for a variant that sparse.toml does not have."""
    if name and name not in project.manifest.variant:
        known = project.manifest.variant
        there_are = f"there are: {', '.join(known)}" if known else f"write a table `[variant.{name}]`"
        raise UserError(f"there is no variant `{name}` in {MANIFEST_NAME}", hint=did_you_mean(name, known) or there_are)


def remember_documents(project: Project) -> None:
    """Keep what was read of the manifest and the recipe, so that the next command need not read the same text again."""
    slot = _slot(project.written)
    identity = _identity(project.written)
    memory.remember(project.layout, f"manifest{slot}", identity, lambda: manifests.to_json(project.manifest))
    for name in _recipes(project.manifest):
        slot, identity = _recipe_slot(project, name), _recipe_identity(project, name)
        with contextlib.suppress(SourceUnavailable):  # who needs the recipe says so, with all else that is missing
            memory.remember(project.layout, slot, identity, partial(_plain_facts, project, name))


def _recipes(manifest: Manifest) -> dict[str, Recipe]:
    """What is asked for as the project's recipe, under "", and as that of each variant."""
    asked = {"": manifest.recipe, **{name: variant.recipe for name, variant in manifest.variant.items()}}
    return {name: recipe for name, recipe in asked.items() if recipe}


def _plain_facts(project: Project, variant: str) -> dict[str, Any]:
    return asdict(_facts(project, variant))


def _facts(project: Project, variant: str) -> RecipeFacts:
    """What the graph needs of a recipe: as it was kept, or read anew."""
    from sparsebuild.pipeline import RecipeFacts

    known = memory.recall(project.layout, _recipe_slot(project, variant), _recipe_identity(project, variant))
    if known and known.keys() == {field.name for field in fields(RecipeFacts)}:
        return RecipeFacts(**known)
    try:
        return _read_facts(project, variant)
    except RecipeError as error:
        from sparsebuild.recipe import BadArguments, NoRecipe

        if isinstance(error, NoRecipe):
            raise _at_source(error, project, variant) from None
        if isinstance(error, BadArguments):
            error = _at_arguments(error, project, variant)
        if not variant:
            raise error from None
        told = f"in the variant `{variant}`"
        raise RecipeError(*(replace(p, message=f"{told}: {p.message}") for p in error.problems)) from None


def _at_source(error: RecipeError, project: Project, variant: str) -> RecipeError:
    """The error about a file that is no recipe, with the key that names the file."""
    path = ("variant", variant, "recipe", "source") if variant else ("recipe", "source")
    told = [f"`{'.'.join(path)}`: {problem.message}" for problem in error.problems]
    return type(error)(*(manifests.problem_at(project.written, path, message) for message in told))


def _at_arguments(error: BadArguments, project: Project, variant: str) -> RecipeError:
    """The errors about arguments, at their lines of the file where they speak of no place in the recipe."""
    told = []
    for name, problem in error.by_name.items():
        of_project, of_variant = ("recipe", "args", name), ("variant", variant, "recipe", "args", name)
        path = of_variant if project.written.where(of_variant) else of_project
        at = manifests.problem_at(project.written, path, problem.message, hint=problem.hint, at="key")
        told.append(problem if problem.position else at)
    return RecipeError(*told)


def _read_facts(project: Project, variant: str) -> RecipeFacts:
    from sparsebuild import recipe as recipes
    from sparsebuild.cli.matching import refuse_unknown, tensors
    from sparsebuild.modifiers import matching
    from sparsebuild.pipeline import recipe_facts
    from sparsebuild.resolve import recipe_text

    assert project.lock is not None
    args = _recipes(project.manifest)[variant].args
    document = recipes.read(
        recipe_text(project.lock, project.context, variant) or "", _recipe_file(project.lock, variant)
    )
    resolved = recipes.resolve(document, args)
    places = recipes.places(document, resolved, args)
    facts = recipe_facts(resolved, places)
    refuse_unknown(project)
    if found := tensors(project):
        matching.check(resolved, found)
        facts = recipe_facts(resolved, places, found.linears)
    return facts


def _recipe_file(lock: Lock, variant: str) -> str:
    """The recipe's name for messages, whose suffix says what it is: as the project or as its source calls it."""
    from sparsebuild.resolve import recipe_source

    source = recipe_source(lock, variant)
    assert source is not None  # there is a recipe
    return source.request.removeprefix("file:") if source.request.startswith("file:") else source.files[0].path


def _recipe_slot(project: Project, variant: str) -> str:
    return f"recipe{f'@{variant}' if variant else ''}{_slot(project.written)}"


def _recipe_identity(project: Project, variant: str) -> str:
    """What a recipe's name, its text, its arguments and the model whose names it holds make it, as text."""
    from sparsebuild.cli.matching import headers
    from sparsebuild.resolve import recipe_source

    source = recipe_source(project.lock, variant) if project.lock else None
    recipe = source.files[0].sha256 if source else ""
    args = _recipes(project.manifest)[variant].args
    return canonical_json([recipe, source.request if source else "", args, headers(project)])


def _identity(written: Written) -> str:
    """What makes a manifest, as text."""
    if not written.is_changed:
        return written.text
    return canonical_json([written.text, written.profile, [said.text for said in written.settings]])


def _slot(written: Written) -> str:
    """Where it is remembered: what is laid over the file for one command does not push the file itself out."""
    return "-laid-over" if written.is_changed else ""


def _remembered(layout: ProjectLayout, written: Written) -> Manifest | None:
    known = memory.recall(layout, f"manifest{_slot(written)}", _identity(written))
    return manifests.from_json(known) if known else None


def _lock(path: Path) -> tuple[Lock | None, tuple[Lock, ...], frozenset[str]]:
    """The lock, or the sides of the merge conflict that it holds, and what is mixed in them; no side need be a lock."""
    try:
        return locks.read(path), (), frozenset()
    except MergeMarkers as conflict:
        return None, conflict.sides or (Lock(),), conflict.mixed


def _healed(manifest: Manifest, sides: Sequence[Lock]) -> Lock:
    from sparsebuild.resolve import answering

    return answering(manifest, sides)
