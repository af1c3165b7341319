"""One more canvas in the window, over the same world: a layer of its own, the same camera."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_virtual_ihc.widgets.camera import look_at, turn_of, view_centre
from napari_virtual_ihc.widgets.canvas import CanvasDressing
from napari_virtual_ihc.widgets.views.choosing import over_base
from napari_virtual_ihc.widgets.views.links import Shifted, Straight, link_again
from napari_virtual_ihc.widgets.views.outlines import Outlines
from napari_virtual_ihc.widgets.views.pane_head import PaneHead
from napari_virtual_ihc.widgets.views.twin import Twin

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_virtual_ihc.widgets.connections import Connections
    from napari_virtual_ihc.widgets.slide_entry import SlideEntry
    from napari_virtual_ihc.widgets.views.links import Place


class Pane(QObject):
    """A canvas that shows one layer, over the H&E where that layer may have gaps.

    Parameters
    ----------
    connections
        Where the pane's layers are connected to their tiles.
    main
        The window's own viewer, whose outlines are shown here too.
    """

    moved = Signal(object)
    """The pane, when its camera moved by itself."""

    def __init__(self, connections: Connections, main: ViewerModel) -> None:
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        super().__init__()
        self.viewer: ViewerModel = ViewerModel()
        self.window = QtViewer(self.viewer)
        self.head = PaneHead(closable=True)
        self.window.widget(0).layout().insertWidget(0, self.head)
        self.dressing = CanvasDressing(self.viewer, self.window)
        self.dressing.camera_moved.connect(self._on_moved)
        self.dressing.camera_rested.connect(self._on_rested)
        self._connections = connections
        self.outlines = Outlines(main, self.viewer)
        self._twins: list[Twin] = []
        self._adding = self._following = False
        self._main = weakref.ref(main)
        self.link: Straight = Straight()
        self.linked = True
        self._layer: weakref.ref[Image] | None = None
        self._base: weakref.ref[Image] | None = None

    @property
    def layer(self) -> Image | None:
        """The layer of the window's viewer that is shown here again."""
        return None if self._layer is None else self._layer()

    def show_layer(self, layer: Image | None, base: Image | None) -> None:
        """Show ``layer``, over ``base`` where it is virtual or a map; nothing where it is None."""
        self._layer = None if layer is None else weakref.ref(layer)
        self._base = None if base is None else weakref.ref(base)
        self._exchange([self._twin_of(source) for source in over_base(layer, base)])

    def cover(self, layer: Image) -> None:
        """Show ``layer`` above what is shown, which stays until it is forgotten."""
        self._layer = weakref.ref(layer)
        self._twins.append(self._twin_of(layer))
        self.dressing.label()

    def forget(self, layer: Layer) -> None:
        """Show a layer no more that is taken off the viewer."""
        for twin in [one for one in self._twins if one.source() is layer]:
            self._twins.remove(twin)
            twin.close()
        self.dressing.label()

    def show_slide(self, entry: SlideEntry | None) -> None:
        """Show overview, scale bar and magnification of a slide."""
        self.dressing.show_slide(entry)

    def set_link(self, link: Straight) -> None:
        """Correspond to the window's own canvas in this way from now on."""
        self.link, self.linked = link, True
        self.outlines.set_shown(link.on_he)
        self.head.show_linked(True)

    def set_linked(self, on: bool) -> None:
        """Let the pane be panned alone, or link it again with the shift that it has then."""
        main = self._main()
        if on and not self.linked and main is not None:
            self.link = link_again(self.link, view_centre(main), view_centre(self.viewer))
        self.linked = on
        self.head.show_linked(on)

    @property
    def shift(self) -> Place:
        """By how much (y, x in µm) the pane looks elsewhere than its layer corresponds."""
        main, link = self._main(), self.link
        if not self.linked and main is not None:
            link = link_again(link, view_centre(main), view_centre(self.viewer))
        return link.by if isinstance(link, Shifted) else (0.0, 0.0)

    def set_shift(self, by: Place) -> None:
        """Look elsewhere by so much from now on."""
        plain = self.link.link if isinstance(self.link, Shifted) else self.link
        self.link = Shifted(plain, by) if any(by) else plain

    def follow(self, leader: ViewerModel) -> None:
        """Look where the window's own canvas looks."""
        if not self.linked:
            return
        self._following = True
        camera, like = self.viewer.scene.camera, leader.scene.camera
        camera.angles = (*like.angles[:2], self.link.turn(turn_of(leader)))
        camera.orientation2d = ("down", "left" if self.link.mirrored else "right")
        look_at(self.viewer, *self.link.there(view_centre(leader)))
        camera.zoom = like.zoom
        self._following = False

    def lead(self, follower: ViewerModel) -> None:
        """Let the window's own canvas look where this pane looks."""
        if self.linked:
            look_at(follower, *self.link.back(view_centre(self.viewer)))
            follower.scene.camera.zoom = self.viewer.scene.camera.zoom

    def _extra_turn(self) -> float:
        """Return by how much more than the window's own canvas this pane is turned."""
        main = self._main()
        turn = 0.0 if main is None else turn_of(main)
        return self.link.turn(turn) - turn

    def close(self) -> None:
        """Take the canvas off the window."""
        self.outlines.close()
        self.show_layer(None, None)
        self.window.setParent(None)
        self.window.close()

    def _twin_of(self, source: Image) -> Twin:
        """Add a layer; napari looks at the whole of a first one, which is undone unseen."""
        camera = self.viewer.scene.camera
        before = camera.center, camera.zoom
        self._adding = True
        twin = Twin(self._connections, source, self.viewer, self._renew, self._extra_turn)
        camera.center, camera.zoom = before
        twin.layer.events.visible.connect(self.dressing.label)
        twin.layer.events.opacity.connect(self.dressing.label)
        self.outlines.renew()
        self._adding = False
        return twin

    def _renew(self) -> None:
        self._exchange([self._twin_of(one) for one in self._sources()])

    def _sources(self) -> list[Image]:
        found = (twin.source() for twin in self._twins)
        return [source for source in found if source is not None]

    def _exchange(self, twins: list[Twin]) -> None:
        """Show these instead of the former ones, which go last, so that nothing is blank."""
        former, self._twins = self._twins, twins
        for twin in former:
            twin.close()
        self.dressing.label()

    def _on_moved(self) -> None:
        if self._adding:
            return
        self._connections.look(self.viewer, moving=True)
        if not self._following and self.linked:
            self.moved.emit(self)

    def _on_rested(self) -> None:
        self._connections.look(self.viewer, moving=False)
