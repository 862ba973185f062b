//! The pages in a real browser: Chromium without a screen, driven by ChromeDriver (Debian's packages `chromium` and
//! `chromium-driver`), which trusts the stack's own authority and nothing else besides (`certutil` of `libnss3-tools`
//! puts it into a profile of its own). Without them these tests say so in one line and pass, unless
//! `HALLPASS_TEST_BROWSER=required`; `off` skips them in any case. `HALLPASS_TEST_SHOTS=DIR` keeps a picture of every
//! page.
//!
//! | file | what it holds |
//! |---|---|
//! | `chrome` | the browser |
//! | `flows` | what people do: with the mouse, with keys alone, without a script |
//! | `swagger` | Swagger UI over our own API |
//! | `looks` | every page in light and dark, wide and narrow, as axe-core sees it |

mod chrome;
mod flows;
mod looks;
mod swagger;
