import { run } from "../common/page.js";

run(() => import("./phone.js"), "SIP.js");
