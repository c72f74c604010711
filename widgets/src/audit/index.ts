// The script of an audit's page, and of the comparison of two: its tables and its pictures.

import { PageAddress } from "../page/fragment";
import { startPictures } from "../page/large_picture";
import { startTables } from "../page/tables";

export function startAudit(root: Document = document): void {
  startPictures(root);
  startTables(root, new PageAddress());
}

startAudit();
