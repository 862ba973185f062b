//! The pages in a real browser: headless Chromium, driven by ChromeDriver (Debian's packages
//! `chromium` and `chromium-driver`), which trusts the stack's certificate authority and no other
//! (`certutil` of `libnss3-tools` adds it to a separate profile). The main path is tested in Firefox
//! too, driven by geckodriver. Without them these tests say so
//! in one line and pass, unless `HALLPASS_TEST_BROWSER=required`; `off` skips them in any case.
//! `HALLPASS_TEST_SHOTS=DIR` saves a picture of every page in every form, and
//! `HALLPASS_WRITE_DOCS=1` those of the documentation.
//!
//! | file | contents |
//! |---|---|
//! | `browser` | the browser |
//! | `flows` | what people do: with the mouse, with the keyboard alone, without scripts |
//! | `oidc` | signing in at an identity provider, which is `oidc-provider` on Node.js or an example for Go |
//! | `swagger` | Swagger UI with the API |
//! | `looks` | every page in light and dark, wide and narrow, audited by axe-core |
//! | `activity` | the same for the use of a token and for the audit log |

mod activity;
mod browser;
mod flows;
mod looks;
mod oidc;
mod swagger;
