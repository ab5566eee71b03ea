"""Whether an agent says that something went wrong: that the last action did nothing, was a mistake, led elsewhere.

A list of phrases, not a judge: it finds what is said in these words, in English and Chinese. How much of our own
wordings of errors it finds, and that it finds none in clean ones, is tested and said in `docs/evaluation.md`.
"""

import re

_LAST = r"(?:last|previous|earlier|that) (?:action|attempt|click|move|scroll|step|swipe|tap|press)"
_ENGLISH = (
    r"\bnothing (?:has |had |else |new )?(?:happened|changed|appeared|came|was entered)",
    r"\b(?:changed|did|added|brought) nothing\b|\bno (?:further |new )?(?:change|difference|effect|reaction)\b",
    r"\bno (?:further |new )?content came|\bin vain\b|\bfor nothing\b|\bdead end\b|\bnothing that helps\b",
    r"\b(?:is|was|stays?|stayed|remains?|remained|still) (?:\w+ )?(?:the same|unchanged|disabled|inactive|ignored)\b",
    r"\bunchanged screen\b|\bnot enabled yet\b|\bdoes not (?:appear|contain)\b",
    r"\b(?:not|n't|never) (?:yet )?(?:change|move|react|respond|register|work|open|help|hit|lead)(?:e?d)?\b",
    r"\b(?:not|n't) (?:have|take) (?:any |the )?(?:\w+ )?effect\b|\bhad (?:no|any) effect\b|\bhas not reacted\b",
    r"\b(?:is|looks?|still see|see) (?:\w+ )?(?:the |as )?(?:same|before)\b|\bsame (?:page|screen|content)\b",
    r"\bas (?:it was )?before\b|\bas it was\b|\bwhere it was\b|\bback where I was\b|\bone from before\b",
    r"\b(?:was|is|were|be|went|turned out) (?:(?:a|an|the|my) )?(?:wrong|mistake|error|slip|misclick)\b",
    r"\bby mistake\b|\bmistakenly\b|\baccidental(?:ly)?\b|\bmisclick",
    r"\bwrong (?:page|place|screen|spot|way|turn|entry|button|choice|element|guess|item|move|one|section|tab|app)\b",
    r"\bis not (?:where|the (?:right|one|correct)|what|under|here)\b|\bnot the right\b|\bnot what I (?:want|need)",
    r"\bshould(?: not|n't) have\b|\bneed(?: not|n't) have\b|\bno reason to\b|\bwas not needed\b",
    r"\bunrelated\b|\bunsuccessful\b",
    r"\b(?:failed|failures with)\b|\bno use\b|\bwent nowhere\b|\bwas lost\b|\binto nothing\b",
    r"\bmissed\b|\b(?:landed|fell|went|touched|tapped)\b[^.]{0,40}\b(?:beside|outside|next to|gap|empty space)\b",
    r"\btoo (?:early|far back|long)\b|\bundid\b|\bdetour\b|\boff the (?:path|right)\b|\bleads? elsewhere\b",
    r"\binstead of (?:holding|the page|waiting)\b|\b(?:second try|try (?:it|that|\S{1,40}) again)\b",
    rf"\b{_LAST}\b[^.]{{0,80}}\b(?:not|wrong|fail|nothing|mistake|slip|elsewhere|something else)",
    r"\bI (?:have to|must|need to|should) (?:go back|return|undo|correct|try again|fix)\b",
    r"\bto correct (?:this|that|my)\b",
)
_CHINESE = (
    r"(?<!有)没有?(?:任何|什么)?(?:反应|变化|效果|作用|结果|改变|成功|帮助|用处)|没有用|没用|没变|毫无变化|看不到任何",
    r"什么[也都]没|(?<!有)没有(?:引起|产生|带来|让页面|起|得到|打开|点中|通向|出现在)|没点中|没被响应|没有被响应|输到了空",
    r"(?<!没)(?<!没有)(?:点|走|选|做|按|输|开|滚)(?:得太早|错|偏)|错误|误操作|是错的|错了|出了错|(?<!对)不对|行不通|失败",
    r"还是(?:原样|一样|原来|同样)|原来的样子|和之前(?:完全)?一样|同一个页面|同样的内容|停在原处|已经到头|到边缘|没有动",
    r"不该|不应该|没有必要|不需要等|不会响应|不起作用|不能点|不能用|不可用|被禁用|禁用的|未启用|一直是灰|白等|多退|抵消|撤销",
    r"点[^。，]{0,8}(?:旁边|之外|空白|空隙)|落在[^。]{0,30}(?:旁边|之外)|附近的空隙|错过|返回得太早|早已",
    r"偏离|绕了一圈|无关|不是(?:想要|任务需要|需要|正确)|任务不需要|对不上|别的内容|别处|没有要找|没有任务需要|又看不到|移出了",
    r"而不是(?:页面|长按)|代替长按|长按(?:弹出|之前)|再试(?:试|一次)|第二次(?:机会|之后)",
)
_CLAIMS = re.compile("|".join(_ENGLISH) + "|" + "|".join(_CHINESE), re.IGNORECASE)


def claims_error(text: str) -> bool:
    """Tell whether the text says that something went wrong.

    >>> claims_error("My last tap did not open the menu, so I try again."), claims_error("I tap Save.")
    (True, False)
    """
    return _CLAIMS.search(text) is not None
