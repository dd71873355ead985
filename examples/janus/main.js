import { run } from "../common/page.js";

run(() => import("./phone.js"), "janus.js");
