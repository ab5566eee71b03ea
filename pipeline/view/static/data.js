// Where the pages' data come from: a server that filters, or files beside the page that are filtered here.
"use strict";

const gdp = {};

(() => {
  const fromFiles = document.documentElement.dataset.source === "files";
  const FACETS = ["split", "origin", "error_kind", "action", "app", "flag"];
  const PAGE = 40, STRIPS = 10;
  const waiting = new Map(), kept = new Map();

  gdp.facets = FACETS;

  // Files call this: fetch is not allowed on file://, scripts are.
  gdp.receive = (name, value) => {
    kept.set(name, value);
    waiting.get(name)?.(value);
    waiting.delete(name);
  };

  const script = (name) => kept.has(name) ? Promise.resolve(kept.get(name)) : new Promise((resolve, reject) => {
    waiting.set(name, resolve);
    const element = document.createElement("script");
    element.src = `data/${name}.js`;
    element.onerror = () => reject(new Error(`${element.src}: found no such file`));
    element.onload = () => element.remove();
    document.head.append(element);
  });

  const ask = async (name, query) => {
    const answer = await fetch(`${name}?${new URLSearchParams(query)}`);
    const value = await answer.json();
    if (!answer.ok) throw new Error(value.error ?? answer.statusText);
    return value;
  };

  const matches = (card, query) => FACETS.every((name) => !query[name] || (name === "flag"
    ? card.flags.includes(query.flag) : String(card[name]) === query[name]));

  // As the server searches: ids, and what is said in conversations, prompts apart; each text stands in the file once.
  const holding = async (text) => {
    if (!text) return () => true;
    const sought = new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "iu");
    const {texts, of} = await script("texts");
    const hit = texts.map((each) => sought.test(each));
    return (card, place) => sought.test(card.id) || of[place].some((number) => hit[number]);
  };

  const chosen = async (query) => {
    const [cards, holds] = await Promise.all([script("samples"), holding((query.text ?? "").trim())]);
    return cards.filter((card, place) => matches(card, query) && holds(card, place));
  };

  const page = (items, start, size) => ({total: items.length, start, page: size, items: items.slice(start, start + size)});

  const files = {
    summary: () => script("summary"),
    samples: async (query) => page(await chosen(query), Number(query.start ?? 0), PAGE),
    strips: async (query) => {
      const wanted = new Set((await chosen(query)).map((card) => card.trajectory));
      const all = (await script("strips")).filter((strip) => wanted.has(strip.trajectory));
      return page(all, Number(query.start ?? 0), STRIPS);
    },
    sample: async ({id}) => {
      const card = (await script("samples")).find((each) => each.id === id);
      if (!card) throw new Error(`${id}: no such sample among the exported ones`);
      return script(`sample/${card.number}`);
    },
  };

  gdp.fromFiles = fromFiles;
  gdp.load = (name, query = {}) => fromFiles ? files[name](query) : ask(name, query);
})();
