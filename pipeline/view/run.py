"""The command `gdp view`: open the dataset, then serve its pages or write them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.exceptions import ConfigError, MissingExtraError
from pipeline.storage.apart import keep_apart, require_folder
from pipeline.storage.dataset import Dataset
from pipeline.storage.place import Place, Where
from pipeline.terminal import numbered

EXPORTED = 1000


@dataclass(frozen=True)
class ViewConfig:
    """What `gdp view` is asked for."""

    export: Path | None = None
    """Folder for the pages; without it they are served."""
    limit: int = EXPORTED
    """Samples to export at most, spread evenly."""
    trajectories: str | None = None
    """Folder with the recorded trajectories, for their original screenshots."""
    port: int = 0
    """Port to serve at; 0 is any that is free."""
    open_browser: bool = True


def run(source: Where, config: ViewConfig, announce: Callable[[str], None]) -> None:
    """Show the dataset; `announce` gets the address, or what was exported. Raises GdpError subclasses."""
    try:
        from . import export, server
        from .catalogue import Catalogue
        from .originals import Originals
    except ImportError as error:
        hint = "pip install 'gui-data-pipeline[view]', from a checkout: pip install '.[view]'"
        raise MissingExtraError("gdp view", f"found no {error.name}, expected the extra `view`", hint) from error
    originals = None
    if config.trajectories is not None:
        folder = Place(config.trajectories)
        if not folder.exists():
            raise ConfigError("--trajectories", f"found no folder {config.trajectories}, expected one")
        originals = Originals(folder)
    if config.export is not None:
        require_folder(config.export, "--export")
        keep_apart(Place.of(source), Place.of(config.export), "--export", "dataset")
    catalogue = Catalogue(Dataset.open(source))
    if config.export is None:
        server.serve(
            catalogue,
            port=config.port,
            open_browser=config.open_browser,
            originals=originals,
            announce=announce,
        )
        return
    count = export.export(catalogue, config.export, config.limit, originals)
    part = "" if count == len(catalogue) else f" of {len(catalogue)}; --limit takes more"
    announce(f"view: {numbered(count, 'sample')}{part}; open {config.export}/index.html")
