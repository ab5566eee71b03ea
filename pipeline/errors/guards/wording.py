"""What forbids an error by words: a name on the screen, the goal."""

import re
from functools import lru_cache

from pipeline.actions import Action, Button, LongPress, Scroll, Wait
from pipeline.describe import same_goal

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

ASKED = {
    Wait: re.compile(r"\b(wait|pause|sleep|until|seconds?|minutes?)\b|等|秒|分钟", re.IGNORECASE),
    Scroll: re.compile(r"\b(scroll|swipe)\b|滚|滑|翻页", re.IGNORECASE),
    LongPress: re.compile(r"\b(hold|long[- ]?(press|tap|click))\b|长按|按住", re.IGNORECASE),
    Button: re.compile(
        r"\b(go|come|press|tap|navigate) back\b|\breturn\b|\bprevious (page|screen)\b|返回|后退|回到", re.IGNORECASE
    ),
}
"""How a goal asks for an action itself: then it need not be a mistake."""


def irreversible(text: str) -> bool:
    """Tell whether it speaks of paying, sending, deleting and the like."""
    return _speaks_of_harm(text)


@lru_cache(maxsize=65536)
def _speaks_of_harm(text: str) -> bool:
    return IRREVERSIBLE.search(text) is not None


def goal_names_it(text: str, goal: str) -> bool:
    """Tell whether the goal names the element: then it need not be wrong."""
    return same_goal(text) in same_goal(goal)


def asked_for(action: Action, goal: str) -> bool:
    """Tell whether the goal itself asks for such an action: then it need not be a mistake."""
    wording = ASKED.get(type(action))
    return wording is not None and wording.search(goal) is not None
