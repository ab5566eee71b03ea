"""What forbids an error: small named questions about a record, shared by the kinds.

A guard returns True where the record shows, or does not rule out, that the screen after the error would be another one
than the sample claims. Its name is the code that reports count, explained in docs/reasons.md. What a guard asks about
and the recording does not say counts against the error.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from pipeline.actions import OPPOSITE, Action, Browser, Button, LongPress, Point, Scroll, Wait
from pipeline.describe import same_goal
from pipeline.graph import Route
from pipeline.records import Element, ScrollState
from pipeline.states import CLOCKS, is_tree, short_role

from .kind import Episode, Refusal
from .scene import Scene, inert, may_be_field, text_of

IRREVERSIBLE = re.compile(
    r"\b(pa(y|ys|id|ying|yments?)|buy(s|ing)?|(re|pre-?)?order(s|ed|ing)?|purchas\w*|check ?out|(re)?send(s|ing)?"
    r"|call|dial|submit\w*|post(s|ed|ing)?|publish\w*|delet\w*|remov\w*|eras\w*|uninstall\w*|reset\w*|resetting|transfer\w*"
    r"|withdraw\w*|(un)?subscrib\w*|donat\w*|format(ted|ting)?|wip(e|es|ed|ing)|discard\w*|empty|clear|trash|(un)?block"
    r"|unfollow|log ?(out|off)|sign ?(out|off)|shut ?down|(turn|power|switch) off|reboot|restart)\b|\bshare (to|with)\b"
    r"|支付|[付缴还汇]款|付费|缴费|买|買|购买|抢购|订购|购入|下单|订单|结算|充值|打赏|拍下|确认收货|订阅|预订|发送|發送|群发|转发"
    r"|提交|发布|发表|发帖|拨打|呼叫|删|刪|移除|清空|清除|清理|抹|卸载|重置|恢复出厂|关机|重启|扔掉|丢弃|舍弃|退出登录|退出[账帐]"
    r"|转账|轉帳|提现|注销|格式化|分享到|拉黑|屏蔽|取消关注",
    re.IGNORECASE,
)
"""Near these words nothing is injected: a slip there would not be harmless."""
SURFACES = frozenset(
    {"canvas", "iframe", "map", "mapview", "surfaceview", "textureview", "video", "videoview", "webview"}
)
"""Roles of areas that draw themselves: what reacts in them is not in the list of elements."""
MESSAGES = frozenset({"alert", "log", "snackbar", "status", "toast"})
"""Roles of messages that come and go."""
SPINNERS = frozenset({"activityindicator", "loading", "progressbar", "spinner"})

MOVING = CLOCKS | {"video"}

ASKED = {
    Wait: re.compile(r"\b(wait|pause|sleep|until|seconds?|minutes?)\b|等|秒|分钟", re.IGNORECASE),
    Scroll: re.compile(r"\b(scroll|swipe)\b|滚|滑|翻页", re.IGNORECASE),
    LongPress: re.compile(r"\b(hold|long[- ]?(press|tap|click))\b|长按|按住", re.IGNORECASE),
    Button: re.compile(
        r"\b(go|come|press|tap|navigate) back\b|\breturn\b|\bprevious (page|screen)\b|返回|后退|回到", re.IGNORECASE
    ),
}
"""How a goal asks for an action itself: then it need not be a mistake."""

Guard = Callable[..., bool]

# Of the decision: (episode, index).


def edge_of_trajectory(episode: Episode, index: int) -> bool:
    """Tell whether it is the first decision or the last."""
    return index == 0 or index == len(episode.steps) - 1


def labelled_neighbour(episode: Episode, index: int) -> bool:
    """Tell whether the step or the one before is a labelled mistake or repair: errors are not piled up."""
    return any(episode.role(n) != "normal" for n in (index - 1, index) if n >= 0)


def aimless(episode: Episode, index: int) -> bool:
    """Tell whether nobody says what the step was for: then it cannot be told to be a mistake."""
    facts = episode.steps[index].facts
    return facts is None or not (facts.text.thought or facts.text.instruction)


def back_is_right(episode: Episode, index: int) -> bool:
    """Tell whether the recording itself goes back here."""
    return goes_back(episode.scenes[index].action)


def changed_before(episode: Episode, index: int) -> bool:
    """Tell whether something was changed on the way here: it may show where another recording did not change it."""
    return episode.first_change <= index


# Of the screen: (scene).


def no_elements(scene: Scene) -> bool:
    """Tell whether no elements are recorded."""
    return not scene.elements


def partial_tree(scene: Scene) -> bool:
    """Tell whether the elements were found in the picture, so that others may be missing."""
    return not is_tree(scene.observation)


def keyboard(scene: Scene) -> bool:
    """Tell whether a keyboard may be open, which a tap or Back would close."""
    return scene.observation.keyboard is not False


def overlay(scene: Scene) -> bool:
    """Tell whether a dialog, menu or sheet may lie over the page, which a tap or Back would close."""
    return scene.observation.overlay is not False


def focused_field(scene: Scene) -> bool:
    """Tell whether a field or a control has the focus, which a tap anywhere would take away."""
    return scene.holds_focus


def focus_unknown(scene: Scene) -> bool:
    """Tell whether nobody says of a field if it has the focus: it may have taken it by itself."""
    return any(field.focused is None for field in scene.fields)


def dynamic_region(scene: Scene) -> bool:
    """Tell whether something on the screen changes on its own."""
    return bool(scene.observation.dynamic) or bool(scene.roles & MOVING)


def unsettled(scene: Scene) -> bool:
    """Tell whether something was still loading."""
    return scene.observation.settled is False or (
        scene.observation.settled is None
        and bool(scene.roles & SPINNERS)
        and any(short_role(e.role) in SPINNERS and not text_of(e) for e in scene.elements)
    )


def transient(scene: Scene) -> bool:
    """Tell whether a message is shown that goes away by itself."""
    return bool(scene.roles & MESSAGES)


def settling_unknown(scene: Scene) -> bool:
    """Tell whether the recording does not say that the screen had come to rest: then waiting may change it."""
    return scene.observation.settled is not True


def shortcuts(scene: Scene) -> bool:
    """Tell whether keys may do something although no field has the focus: space presses a button that has it."""
    return scene.observation.shortcuts is not False or any(
        element.focused and not may_be_field(element) for element in scene.elements
    )


def reach_unknown(scene: Scene) -> bool:
    """Tell whether the recording does not say how far around a control a tap still counts."""
    return scene.observation.touch_radius is None


@lru_cache(maxsize=65536)
def _speaks_of_harm(text: str) -> bool:
    return IRREVERSIBLE.search(text) is not None


# Of a name on the screen: (text).


def irreversible(text: str) -> bool:
    """Tell whether it speaks of paying, sending, deleting and the like."""
    return _speaks_of_harm(text)


# Of a name on the screen and the goal: (text, goal).


def goal_names_it(text: str, goal: str) -> bool:
    """Tell whether the goal names the element: then it need not be wrong."""
    return same_goal(text) in same_goal(goal)


# Of a place on the screen: (scene, number of the element that is tapped, or None, point).


def reacts(scene: Scene, number: int, point: Point) -> bool:
    """Tell whether the element itself may take a tap."""
    return not inert(scene.elements[number])


def inside_control(scene: Scene, number: int, point: Point) -> bool:
    """Tell whether something around the element may take the tap."""
    return scene.enclosed[number]


def covered(scene: Scene, number: int, point: Point) -> bool:
    """Tell whether something may lie over the element."""
    return scene.elements[number].topmost is not True


def near_control(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether a control is so near that the tap may count as one on it."""
    return scene.crowded(point)


def live_surface(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether the place is on a video, a map or the like, which reacts without telling."""
    return bool(scene.roles & SURFACES) and any(short_role(scene.elements[n].role) in SURFACES for n in scene.at(point))


def label_wired(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether a tap on the place is passed on to a control, by the text itself or by what is around it."""
    return scene.passed_on(number, point)


def wiring_unknown(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether the recording does not say if a tap on the text is passed on to a control."""
    places = scene.at(point) if number is None else [number]
    return any(scene.elements[n].text and scene.elements[n].wired is None for n in places)


def off_screen(scene: Scene, number: int | None, point: Point) -> bool:
    """Tell whether the point is outside of the screenshot."""
    return not (0 <= point[0] < 1 and 0 <= point[1] < 1)


# Of an element: (element).


def toggles(element: Element) -> bool:
    """Tell whether it switches or fills something."""
    return element.checked is not None or element.editable is True


def disabled_answers(element: Element) -> bool:
    """Tell whether a tap on the disabled element may show a message."""
    return element.notifies is not False


# Of scrolling: (scroll state, the side on which more would be shown).


def not_at_edge(scroll: ScrollState, way: str) -> bool:
    """Tell whether there is more to show on this side."""
    left = {"up": scroll.y, "down": scroll.max_y - scroll.y, "left": scroll.x, "right": scroll.max_x - scroll.x}[way]
    return not -1 <= left <= 0  # further than it goes: how far that is was not recorded


def pull_to_refresh(scroll: ScrollState, way: str) -> bool:
    """Tell whether pulling beyond the top may load the content again."""
    return way == "up" and scroll.refresh is not False


def scroll_chained(scene: Scene, point: Point, way: str) -> bool:
    """Tell whether something around the scrolled element would scroll in its place."""
    around = (scene.elements[number].scroll for number in scene.at(point))
    return any(forbids("not_at_edge", scroll, way) for scroll in around if scroll is not None)


def endless_list(scroll: ScrollState, way: str) -> bool:
    """Tell whether scrolling beyond the end may load more."""
    return way in {"down", "right"} and scroll.endless is not False


# Of the graph.


def back_not_proved(episode: Episode, index: int) -> bool:
    """Tell whether no recording goes Back from exactly this screen to exactly the one before."""
    before = episode.around(index - 1).state
    return not any(
        route.edge.state == before and goes_back(route.edge.action) for route in episode.around(index).routes
    )


def scroll_not_exact(episode: Episode, index: int) -> bool:
    """Tell whether nothing proves that scrolling back restores the screen before to the pixel.

    The proof is a recording that did so between equal screens, or a platform that scrolls exactly, and far enough from
    the edges for the same amount back to lead to the same place.
    """
    scroll = episode.scenes[index - 1].action
    assert isinstance(scroll, Scroll)
    before = episode.around(index - 1).state
    for route in episode.around(index).routes:
        back = route.edge.action
        if isinstance(back, Scroll) and route.edge.state == before and reverses(back, scroll):
            return False
    return not scrolled_exactly(episode.scenes[index - 1], episode.scenes[index], scroll)


def onward_not_proved(route: Route) -> bool:
    """Tell whether no recording goes from the wrong screen to one equal to the next recorded one."""
    return not route.onward


def other_side(route: Route, split: str) -> bool:
    """Tell whether the screen is of a trajectory on the other side of the split: it must not be shown here."""
    return route.edge.split != split


def on_the_path(episode: Episode, route: Route) -> bool:
    """Tell whether the trajectory itself visits the screen: then going there need not be wrong."""
    return any(around.state == route.edge.state for around in episode.surroundings)


def return_not_proved(route: Route) -> bool:
    """Tell whether no recording returns from the wrong screen to exactly this one."""
    return not route.returns


def reverses(back: Scroll, scroll: Scroll) -> bool:
    """Tell whether one scroll is the other the other way round."""
    if scroll.dx is None and scroll.dy is None:
        return scroll.direction is not None and back.direction == OPPOSITE[scroll.direction]
    amounts = ((back.dx or 0) + (scroll.dx or 0), (back.dy or 0) + (scroll.dy or 0))
    return back.unit == scroll.unit and amounts == (0, 0)


def scrolled_exactly(before: Scene, after: Scene, scroll: Scroll) -> bool:
    """Tell whether what was scrolled says that it scrolls exactly, and has moved by exactly what was asked for."""
    facts = before.step.facts
    if scroll.point is None or scroll.unit != "px" or scroll.modifiers or facts is None or len(facts.actions) != 1:
        return False
    asked = (scroll.dx or 0, scroll.dy or 0)
    for number in before.at(scroll.point):
        was = before.elements[number].scroll
        if was is None:
            continue
        now = [e.scroll for e in after.elements if e.scroll is not None and e.bbox == before.elements[number].bbox]
        return (
            len(now) == 1
            and was.exact is True is now[0].exact
            and (was.max_x, was.max_y) == (now[0].max_x, now[0].max_y)
            and abs(now[0].x - was.x - asked[0]) < 0.5
            and abs(now[0].y - was.y - asked[1]) < 0.5
        )
    return False


def asked_for(action: Action, goal: str) -> bool:
    """Tell whether the goal itself asks for such an action: then it need not be a mistake."""
    wording = ASKED.get(type(action))
    return wording is not None and wording.search(goal) is not None


def goes_back(action: Action | None) -> bool:
    """Tell whether the action leaves the page for the one before it."""
    return (isinstance(action, Button) and action.name == "back") or (
        isinstance(action, Browser) and action.op == "back"
    )


GUARDS: dict[str, Guard] = {
    guard.__name__: guard
    for guard in (
        edge_of_trajectory,
        labelled_neighbour,
        aimless,
        back_is_right,
        changed_before,
        no_elements,
        partial_tree,
        keyboard,
        overlay,
        focused_field,
        focus_unknown,
        dynamic_region,
        unsettled,
        shortcuts,
        reach_unknown,
        irreversible,
        reacts,
        inside_control,
        covered,
        near_control,
        live_surface,
        label_wired,
        off_screen,
        toggles,
        disabled_answers,
        pull_to_refresh,
        endless_list,
        scroll_chained,
        transient,
        settling_unknown,
        wiring_unknown,
        scroll_not_exact,
        onward_not_proved,
        other_side,
        on_the_path,
        goal_names_it,
        not_at_edge,
        back_not_proved,
        return_not_proved,
    )
}

DECISION = ("edge_of_trajectory", "labelled_neighbour")
QUIET = ("dynamic_region", "unsettled", "transient", "keyboard", "overlay", "focused_field", "focus_unknown")
"""Screens where nothing happens by itself, and a tap on nothing, or Back, does nothing more than it seems."""

_off: set[str] = set()


def against(names: Iterable[str], *facts: Any) -> str | None:
    """Return the first of the guards that forbids the error, None if all let it pass."""
    return next((name for name in names if name not in _off and GUARDS[name](*facts)), None)


def forbids(name: str, *facts: Any) -> bool:
    """Tell whether the guard forbids the error."""
    return name not in _off and GUARDS[name](*facts)


def refusal(names: Iterable[str], *facts: Any) -> Refusal | None:
    """Return the refusal by the first of the guards that forbids the error, None if all let it pass."""
    name = against(names, *facts)
    return None if name is None else Refusal(name)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Switch guards off in this process: a test that nothing goes wrong then does not test the guard."""
    unknown = set(names) - set(GUARDS)
    assert not unknown, unknown
    _off.update(names)
    try:
        yield
    finally:
        _off.difference_update(names)
