// Fills the page from the data inside it. Everything that came from outside goes in as text, never as HTML.

const report = JSON.parse(document.getElementById("report-data").textContent);
const {curves, figures, previews} = report;
const section = id => document.getElementById(id);
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

function duration(seconds) {
  if (seconds < 60) return `${short(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function showHeader() {
  section("name").textContent = report.name;
  const words = {finished: "finished", running: "running", stopped: "stopped, to be continued", diverged: "diverged", failed: "ended with an error"};
  section("state").append(element("span", {class: "badge " + report.state}, words[report.state] || report.state),
    ` after ${plural(report.step, "step")}${report.step < report.max_steps ? ` of ${report.max_steps.toLocaleString("en")}` : ""} · written ${report.written}`);
  section("footer").textContent = "This page is one file: it needs no network and no other file.";
}

function showFigures() {
  const add = (label, value, more) => section("figures").append(element("div", {class: "figure"},
    element("div", {class: "label"}, label), element("div", {class: "value"}, value), element("div", {class: "more"}, more)));
  add("Steps", report.step.toLocaleString("en"), figures.skipped_steps ? plural(figures.skipped_steps, "step") + " skipped" : "none skipped");
  if (figures.loss_last !== null) add("Loss, smoothed", short(figures.loss_last, 4), `lowest ${short(figures.loss_best, 4)}`);
  if (figures.validation_first !== null) {
    const change = 100 * (figures.validation_last / figures.validation_first - 1);
    add("Validation loss", short(figures.validation_last, 4), `from ${short(figures.validation_first, 4)}, ${change > 0 ? "+" : "−"}${Math.abs(change).toFixed(1)} %`);
  }
  if (figures.samples_per_second !== null) add("Samples per second", short(figures.samples_per_second), "median over the steps");
  add("Training time", duration(figures.training_seconds), figures.validation_seconds ? `+ ${duration(figures.validation_seconds)} validation` : "of the steps alone");
  const count = report.parameter_count;
  add("Trained parameters", count >= 1e6 ? `${(count / 1e6).toFixed(2)} M` : count.toLocaleString("en"), "A and B of the adapter");
}

function showCharts() {
  section("loss").append(lineChart("", {
    height: 270, hasLegend: true, marks: curves.skipped_steps, markName: "skipped step",
    curves: [{name: "each step", points: curves.loss, style: "raw", isNoisy: true}, {name: `smoothed over about ${figures.smoothing_steps} steps`, points: curves.smoothed_loss, style: "loss"}]}));
  if (curves.validation_loss.length) {
    section("validation").hidden = false;
    section("validation").append(
      element("p", {class: "note"}, "On pictures the run does not train on, with the same noise at the same timesteps every time: what changes is the adapter. Below, by quarter of the timesteps, from little noise to much."),
      lineChart("", {height: 210, curves: [{name: "validation loss", points: curves.validation_loss, style: "validation"}]}));
    const names = ["little noise: first quarter", "second quarter", "third quarter", "much noise: last quarter"];
    section("validation").append(element("div", {class: "quarters"}, ...curves.validation_quarters.map((points, i) =>
      lineChart(names[i], {height: 120, curves: [{name: "loss", points, style: "validation"}]}))));
  }
  const pace = section("pace").querySelector(".charts");
  const clip = report.max_gradient_norm;
  pace.append(
    lineChart(clip ? `Gradient norm, clipped to ${short(clip)}` : "Gradient norm, not clipped", {height: 170, fromZero: true, limit: clip || undefined, limitName: "clipped above",
      curves: [{name: "gradient norm", points: curves.gradient_norm, style: "noisy", isNoisy: true}]}),
    lineChart("Learning rate", {height: 170, fromZero: true, curves: [{name: "learning rate", points: curves.learning_rate, style: "loss"}]}),
    lineChart("Samples per second", {height: 170, fromZero: true, curves: [{name: "samples per second", points: curves.samples_per_second, style: "noisy", isNoisy: true}]}));
}

function picture(image, prompt) {
  const node = element("img", {src: image, alt: prompt, loading: "lazy"});
  node.addEventListener("load", () => node.classList.toggle("small", node.naturalWidth < node.clientWidth));
  return node;
}

function showPreviews() {
  if (!previews.steps.length) return;
  const {steps, prompts} = previews;
  const imageOf = new Map(previews.pictures.map(({step, prompt, image}) => [`${step} ${prompt}`, image]));
  const name = step => step === 0 ? "before" : `step ${step.toLocaleString("en")}`;
  const first = steps[0], last = steps[steps.length - 1];
  if (steps.length > 1) {
    section("before-after").hidden = false;
    section("before-after").querySelector(".note").textContent = `Left ${first === 0 ? "before training" : name(first)}, right after ${plural(last, "step")}; the same prompt and noise.`;
    prompts.forEach((prompt, i) => {
      const pair = [first, last].map(step => imageOf.get(`${step} ${i}`)).filter(Boolean);
      if (pair.length === 2)
        section("before-after").querySelector(".pairs").append(element("div", {class: "pair"},
          element("div", {}, ...pair.map(image => picture(image, prompt))), element("p", {}, prompt)));
    });
  }
  section("previews").hidden = false;
  section("previews").querySelector(".note").textContent = previews.all_step_count > steps.length
    ? `${steps.length} of ${previews.all_step_count} previews; all are in previews/ beside this file.` : "A row a prompt, always from the same noise.";
  const table = element("table", {class: "strip"}, element("thead", {}, element("tr", {}, ...steps.map(step => element("th", {scope: "col"}, name(step))))));
  prompts.forEach((prompt, i) => {
    table.append(element("tr", {}, element("th", {class: "prompt", colspan: steps.length}, element("span", {}, prompt))),
      element("tr", {}, ...steps.map(step => {
        const image = imageOf.get(`${step} ${i}`);
        return element("td", {}, ...(image ? [picture(image, prompt)] : []));
      })));
  });
  section("previews").append(element("div", {class: "scroll"}, table));
}

function rowTable(rows) {
  const isHash = value => /^[0-9a-f]{64}$/.test(value);
  return element("table", {class: "rows"}, ...rows.map(({name, value}) => element("tr", {},
    element("th", {scope: "row"}, name), element("td", {}, isHash(value) ? element("code", {}, value) : value))));
}

function settingTable(settings, isChanged) {
  return element("table", {class: "rows"}, ...settings.map(setting => element("tr", isChanged ? {class: "changed"} : {},
    element("th", {scope: "row"}, setting.name), element("td", {}, setting.value || "–"),
    ...(isChanged ? [element("td", {class: "default"}, setting.default ? `default ${setting.default}` : "")] : []))));
}

function isSameSetting(one, other) {
  return one === other || (one !== "" && other !== "" && Number(one) === Number(other));
}

function showTables() {
  const changed = report.settings.filter(setting => !isSameSetting(setting.value, setting.default));
  const others = report.settings.filter(setting => !changed.includes(setting));
  section("settings").append(settingTable(changed, true),
    element("details", {}, element("summary", {}, `${plural(others.length, "setting")} at their defaults`), settingTable(others, false)));
  section("run").append(rowTable(report.run_rows));
  section("data").append(rowTable(report.data_rows));
  if (report.captions.length)
    section("data").querySelector("table").append(element("tr", {}, element("th", {scope: "row"}, "captions, a few"),
      element("td", {}, element("ul", {class: "captions"}, ...report.captions.map(caption => element("li", {}, caption))))));
}

showHeader();
showFigures();
showCharts();
showPreviews();
showTables();
