"use strict";
// The seeded content: the same on every start. Files: [name, size in MB, date]; the newest first.

const FILES = {
  en: {
    documents: ["Documents", "doc", [
      ["Draft contract.docx", 0.4, "Mar 11"], ["Invoice April.pdf", 0.2, "Mar 10"], ["Reading list.docx", 0.1, "Mar 8"],
      ["Invoice March.pdf", 0.2, "Mar 2"], ["Lease agreement.pdf", 1.3, "Feb 24"], ["Tax return 2025.pdf", 2.1, "Feb 17"],
      ["Letter to landlord.docx", 0.1, "Feb 9"], ["Passport scan.pdf", 3.2, "Jan 30"]]],
    photos: ["Photos", "img", [
      ["Harbour morning.jpg", 3.8, "Mar 9"], ["Lisbon sunset.jpg", 4.1, "Mar 8"], ["Pine forest.jpg", 5.2, "Mar 6"],
      ["Market day.jpg", 3.3, "Mar 5"], ["City lights.jpg", 4.4, "Mar 1"], ["Old bridge.jpg", 2.9, "Feb 27"],
      ["Desert road.jpg", 3.6, "Feb 20"], ["Lake cabin.jpg", 4.8, "Feb 15"], ["Spring hills.jpg", 3.1, "Feb 12"],
      ["Red canoe.jpg", 2.7, "Feb 3"], ["Market square.jpg", 3.9, "Jan 28"], ["Snow trail.jpg", 4.6, "Jan 19"],
      ["First snow.jpg", 3.5, "Jan 11"]]],
    work: ["Work", "sheet", [
      ["Team budget.xlsx", 0.6, "Mar 12"], ["Kickoff slides.pptx", 7.8, "Mar 7"], ["Garden plan.pdf", 2.4, "Mar 3"],
      ["Meeting notes.docx", 0.2, "Feb 26"], ["Supplier list.xlsx", 0.5, "Feb 18"], ["Logo pack.zip", 11.6, "Jan 22"]]],
    recipes: ["Recipes", "doc", [
      ["Plum cake.docx", 0.3, "Mar 4"], ["Lentil soup.docx", 0.2, "Feb 21"], ["Sourdough.pdf", 1.1, "Feb 2"],
      ["Pickled onions.docx", 0.1, "Jan 14"]]],
  },
  zh: {
    documents: ["文档", "doc", [
      ["租房合同.pdf", 1.3, "3月11日"], ["四月发票.pdf", 0.2, "3月10日"], ["读书清单.docx", 0.1, "3月8日"],
      ["三月发票.pdf", 0.2, "3月2日"], ["个人简历.docx", 0.4, "2月24日"], ["体检报告.pdf", 2.1, "2月17日"],
      ["护照扫描件.pdf", 3.2, "1月30日"]]],
    photos: ["照片", "img", [
      ["海港清晨.jpg", 3.8, "3月9日"], ["西湖日落.jpg", 4.1, "3月8日"], ["松树林.jpg", 5.2, "3月6日"],
      ["赶集.jpg", 3.3, "3月5日"], ["城市夜景.jpg", 4.4, "3月1日"], ["老石桥.jpg", 2.9, "2月27日"],
      ["沙漠公路.jpg", 3.6, "2月20日"], ["湖边木屋.jpg", 4.8, "2月15日"], ["春天的山.jpg", 3.1, "2月12日"],
      ["红色小船.jpg", 2.7, "2月3日"], ["雪中小路.jpg", 4.6, "1月19日"]]],
    work: ["工作", "sheet", [
      ["部门预算.xlsx", 0.6, "3月12日"], ["启动会演示.pptx", 7.8, "3月7日"], ["花园方案.pdf", 2.4, "3月3日"],
      ["会议记录.docx", 0.2, "2月26日"], ["供应商名单.xlsx", 0.5, "2月18日"], ["标志素材.zip", 11.6, "1月22日"]]],
    recipes: ["菜谱", "doc", [
      ["红烧肉.docx", 0.3, "3月4日"], ["番茄鸡蛋面.docx", 0.2, "2月21日"], ["手工馒头.pdf", 1.1, "2月2日"]]],
  },
};

const PEOPLE = {
  en: ["Anna Lind", "Ben Ortiz", "Clara Novak", "David Osei", "Elif Demir", "Frank Moreau", "Greta Sand", "Hugo Pereira"],
  zh: ["陈思远", "何佳怡", "李明", "刘雨晴", "孙浩然", "王芳", "张伟", "赵小雨"],
};

const RECENT_SEARCHES = { drive: { en: ["budget", "passport"], zh: ["预算", "护照"] }, notes: { en: ["cake", "train"], zh: ["生日", "车票"] } };
const LABELS = { en: ["Home", "Work", "Ideas"], zh: ["家庭", "工作", "灵感"] };

// Notes: [id, title, label, date, body, items, pinned]; items that begin with * are done.
const NOTES = {
  en: [
    ["groceries", "Groceries", 0, "Mar 12", "For the weekend.", ["*Bread", "Milk", "Eggs", "Tomatoes", "Coffee"], true],
    ["sprint", "Sprint review", 1, "Mar 11", "Room 4 on the second floor, Thursday at 14:30. Bring the numbers of February and the list of open questions.", [], true],
    ["birthday", "Birthday of Lena", 0, "Mar 9", "She wants a plum cake. The party starts at 16:00, the present is a book about birds.", [], false],
    ["packing", "Packing list", 0, "Mar 8", "Train leaves on Friday at 7:12.", ["Passport", "Rain jacket", "Charger", "*Tickets"], false],
    ["balcony", "Balcony garden", 2, "Mar 5", "Basil and mint in the shade, tomatoes at the wall. Ask Hugo for two wooden boxes.", [], false],
    ["old", "Old shopping list", 0, "Mar 1", "From February, no longer needed.", ["*Rice", "*Onions"], false],
    ["talk", "Talk about maps", 2, "Feb 26", "Begin with a map that lies. Three examples, one question, no more than ten slides.", [], false],
    ["bike", "Bike repair", 0, "Feb 25", "New brake pads and a longer chain. The workshop opens at nine.", [], false],
    ["podcasts", "Podcasts to hear", 2, "Feb 24", "The one about lighthouses, and the long talk with the clockmaker.", [], false],
    ["key", "Spare key", 0, "Feb 22", "Hugo has it. His door is the green one on the third floor.", [], false],
    ["onboarding", "Onboarding", 1, "Feb 20", "First week of the new colleague.", ["*Laptop", "Key card", "Team lunch"], false],
  ],
  zh: [
    ["groceries", "买菜清单", 0, "3月12日", "周末用。", ["*面包", "牛奶", "鸡蛋", "西红柿", "咖啡"], true],
    ["sprint", "周会准备", 1, "3月11日", "带上二月的数据和待讨论的问题。时间是周四下午两点半，地点在二楼四号会议室。", [], true],
    ["birthday", "妈妈生日", 0, "3月9日", "订一个草莓蛋糕，再准备一束花和一张贺卡。晚上六点在湖边餐厅吃饭。", [], false],
    ["packing", "出差行李", 1, "3月8日", "周五早上七点的高铁。", ["身份证", "雨衣", "充电器", "*车票"], false],
    ["balcony", "阳台种菜", 2, "3月5日", "罗勒和薄荷放在阴凉处，西红柿靠墙。", [], false],
    ["talk", "分享会选题", 2, "2月26日", "从一张会骗人的地图讲起，三个例子，一个问题，不超过十页。", [], false],
    ["onboarding", "新同事入职", 1, "2月20日", "第一周的安排。", ["*电脑", "门禁卡", "团队午餐"], false],
  ],
};

const KIND_OF = { docx: "doc", txt: "doc", pdf: "pdf", xlsx: "sheet", pptx: "slides", zip: "zip", jpg: "img" };

function seedDrive(lang) {
  const state = { folders: [], files: [], settings: { wifi: false, backup: true, dark: false }, notify: { nShares: true, nComments: true, nWeekly: true, nStorage: true, nNews: false } };
  for (const [id, [name, , files]] of Object.entries(FILES[lang])) {
    state.folders.push({ id, name });
    files.forEach(([file, size, date], i) => {
      const kind = KIND_OF[file.split(".").pop()];
      state.files.push({ id: `${id}-${i}`, folder: id, name: file, kind, size, date, art: i, starred: id === "work" && i === 3, trashed: false, sharedWith: [], canEdit: false });
    });
  }
  state.files.find((f) => f.id === "recipes-0").sharedWith = [PEOPLE[lang][1]];
  return state;
}

function seedNotes(lang) {
  const notes = NOTES[lang].map(([id, title, label, date, body, items, pinned]) => ({
    id, title, label, date, body, pinned, trashed: false,
    items: items.map((text) => ({ text: text.replace("*", ""), done: text.startsWith("*") })),
  }));
  return { notes, settings: { dark: false, compact: false, count: true, sync: true } };
}
