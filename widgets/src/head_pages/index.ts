// The script of a page of heads, with that of its tables.

import "../audit";
import { startHeadPages } from "./page";

startHeadPages();
