// The colours that all views and figures share, by role: `attnlens/palette.json`, which Python reads too.

import { dark, heads, inks, light, maps } from "../../../attnlens/palette.json";

export type Role = keyof typeof light;
export type Roles = Readonly<Record<Role, string>>;
export type ColourMap = keyof typeof maps;

/** The colours of a theme by role. */
export function rolesOf(isDark: boolean): Roles {
  return isDark ? dark : light;
}

/** The stops of a colour map in a theme. */
export function stopsOf(map: ColourMap, isDark: boolean): string[] {
  return maps[map][isDark ? "dark" : "light"];
}

/** A head's own colour in a theme. */
export function headColour(head: number, isDark: boolean): string {
  const colours = heads[isDark ? "dark" : "light"];
  return colours[head % colours.length]!;
}

/** Text on dark and on light colours. */
export const INKS = inks;

/** A role's colour for each theme as CSS custom properties: `--text`, `--muted`, ... */
export function customProperties(): string {
  const declarations = (roles: Roles) => Object.entries(roles).map(([role, colour]) => `--${role}: ${colour};`).join(" ");
  return `.view { ${declarations(light)} }\n.view[data-theme="dark"] { ${declarations(dark)} }\n`;
}
