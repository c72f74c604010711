// TokensView: an attribution over its text, as running text or ranked; explained again as one types.

import { signedRamp, unsignedRamp } from "../drawing/colour";
import type { SavedFigure } from "../drawing/svg";
import { listen } from "../protocol/widget_model";
import { view, type Frame } from "../ui/view";
import { TokensControls } from "./controls";
import { Explainer } from "./explainer";
import { Facts } from "./facts";
import { figureSvg } from "./figure_svg";
import { PartsPicture } from "./picture";
import { readScoredText, type ScoredText } from "./scored_text";
import type { TokensState } from "./state";
import { TokenEdit } from "./token_edit";
import css from "./tokens.css";

const KEYS = "Point at a part for its score; arrows move, Escape clears.";
const HOW = {
  signed: "Blue supports the class, red and underlined opposes it, strong colours the most.",
  unsigned: "Strong colours are important; the method does not say whether for or against.",
};

class TokensView {
  private readonly explainer: Explainer;
  private readonly controls: TokensControls;
  private readonly facts = new Facts();
  private readonly picture: PartsPicture;
  private readonly edit: TokenEdit;
  private scored: ScoredText;

  constructor(private readonly frame: Frame<TokensState>) {
    const { model, signal, stage } = frame;
    this.scored = this.readScores();
    this.explainer = new Explainer(frame);
    this.controls = new TokensControls(frame, this.explainer);
    this.picture = new PartsPicture({
      pointed: (part) => frame.say(part >= 0 ? this.scored.describe(part) : ""),
      select: (part) => frame.set({ token: part < 0 ? null : this.scored.parts.first[part]! }),
      selected: () => this.scored.partOf(model.get("token")),
    }, signal);
    const { fields, note } = this.explainer;
    this.edit = new TokenEdit(frame, this.explainer);
    stage.append(fields, note, frame.headline, this.facts.question, this.picture.element, this.edit.element, this.facts.reading);
    listen(model, ["shown", "scores", "target", "method", "number", "level", "sort", "token", "before"], frame.redraw, signal);
  }

  private readScores(): ScoredText {
    const { model } = this.frame;
    return readScoredText(model.get("shown"), model.get("scores"), model.get("number"), model.get("level"));
  }

  draw(): void {
    // While a request waits nothing is drawn: what Python sends is older.
    if (!this.explainer.typing || !this.picture.drawn) this.drawScores();
    this.controls.draw(this.scored);
    const { busy, failed } = this.explainer;
    this.picture.setBusy(busy || failed);
    if (busy) this.explainer.say("Reading …");
  }

  private drawScores(): void {
    const { model, dark } = this.frame;
    this.scored = this.readScores();
    const { scored } = this;
    const { signed } = scored.result;
    const ramp = signed ? signedRamp(dark) : unsignedRamp(dark);
    this.picture.draw({ scored, ramp, ranked: model.get("sort") });
    this.facts.draw(scored, ramp);
    this.frame.title(...scored.inWords);
    this.edit.draw(scored);
    this.frame.explain(HOW[signed ? "signed" : "unsigned"], KEYS);
  }

  figure(): SavedFigure {
    const { result } = this.scored;
    return {
      picture: figureSvg(this.picture.body, this.picture.elements, this.frame.roles),
      title: this.facts.heading,
      subtitle: "",
      caption: this.facts.ending(this.scored),
      file: ["attribution", result.question, result.how].join("-"),
    };
  }
}

export default view<TokensState>("Token attribution", css, (frame) => {
  const tokens = new TokensView(frame);
  return { draw: () => tokens.draw(), figure: () => tokens.figure() };
});
