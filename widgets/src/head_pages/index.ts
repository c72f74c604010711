// The script of a page of heads.

import { startHeadPages } from "./page";

startHeadPages();
