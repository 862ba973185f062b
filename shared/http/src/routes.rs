//! The routes of the API: everything that clients can call, who may call it, and which function
//! serves it.
//!
//! Dispatch, 404, 405 with `Allow` and `HEAD` follow from this table, and so do the events and
//! throttles in `template.yaml`. `openapi.yaml` documents the same routes, except for the pages. To
//! add a route, add a row, a handler in the function, and its entry in `openapi.yaml`, and let the
//! tests `routes` write the events.

use lambda_http::Request;

use crate::{Problem, gateway};

/// A route of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method, such as `GET`.
    pub method: &'static str,
    /// The path as API Gateway knows it, such as `/tokens/{id}`.
    pub path: &'static str,
    /// The function that serves the route.
    pub function: Function,
    /// How the client authenticates.
    pub access: Access,
    /// The name of what the route does, such as `ListTokens`. In `openapi.yaml` it is `listTokens`.
    pub operation: &'static str,
}

/// A function that serves routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Checks and sets passwords, issues tokens, and adds and changes users.
    Generate,
    /// Revokes tokens.
    Revoke,
    /// Reads, offers portal sessions, and responds to what does not exist.
    Console,
}

/// How the client of a route authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Not at all, or by the token that the request is about.
    Public,
    /// By a password. API Gateway throttles these routes.
    Password,
    /// By a password or a live token. API Gateway throttles these routes.
    PasswordOrToken,
    /// By a live token, which the function verifies.
    Token,
    /// By a live token, which the authorizer verifies.
    Authorizer,
    /// By the cookie of a browser session or of a flow.
    Session,
    /// By a live token, or by the cookie of a browser session with a form.
    TokenOrSession,
}

/// The operations of a function, one for each of its routes.
pub trait Operations: Sized {
    /// The function.
    const FUNCTION: Function;

    /// Returns the operation of this name.
    fn named(name: &str) -> Option<Self>;
}

/// The methods of HTTP in the order of `Allow`.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

macro_rules! routes {
    ($($function:ident { $($operation:ident: $method:ident $path:literal $access:ident,)+ })+) => {
        /// Every route.
        pub const ROUTES: &[Route] = &[$($(
            Route {
                method: stringify!($method),
                path: $path,
                function: Function::$function,
                access: Access::$access,
                operation: stringify!($operation),
            },
        )+)+];

        $(
            #[doc = concat!("The operations of the function ", stringify!($function), ".")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $function {
                $(#[doc = concat!("`", stringify!($method), " ", $path, "`")] $operation,)+
            }

            impl Operations for $function {
                const FUNCTION: Function = Function::$function;

                fn named(name: &str) -> Option<Self> {
                    match name {
                        $(stringify!($operation) => Some(Self::$operation),)+
                        _ => None,
                    }
                }
            }
        )+
    };
}

routes! {
    Generate {
        GenerateToken: POST "/api/services_token/generate" PasswordOrToken,
        CreateToken: POST "/tokens" Token,
        RotateToken: POST "/tokens/{id}/rotate" Token,
        Authorise: GET "/rs/authorise" PasswordOrToken,
        BeginImplicitFlow: GET "/rs/authorize-implicit" Password,
        BeginImplicitFlowByForm: POST "/rs/authorize-implicit" Password,
        DecideImplicitFlow: GET "/rs/authorize-implicit/decision" Session,
        DecideImplicitFlowByForm: POST "/rs/authorize-implicit/decision" Session,
        CreateUserToken: POST "/rest/pat/1.0/token/user/create" PasswordOrToken,
        CreateAppToken: POST "/rest/pat/1.0/token/app/create" PasswordOrToken,
        RegenerateDeveloperToken: POST "/profile/developer" TokenOrSession,
        CreateAccountTokenOnPage: POST "/profile/accounts/{user_id}" Session,
        SignIn: POST "/sign-in" Password,
        BeginSignInAtProvider: GET "/sign-in/oidc" Public,
        FinishSignInAtProvider: GET "/sign-in/oidc/callback" Public,
        SignOutAtProvider: GET "/sign-in/oidc/sign-out" Public,
        EndSessionsByProvider: POST "/sign-in/oidc/back-channel-logout" Public,
        CreatePortalSession: POST "/portal/sessions" Token,
        SignInFromPortal: POST "/portal/sign-in" Public,
        IssueKeyOnPage: POST "/admin/users/{user_id}" Session,
        AddUserOnPage: POST "/admin/users/new" Session,
        ChangeUserOnPage: POST "/admin/users/{user_id}/profile" Session,
    }
    Revoke {
        RevokeToken: DELETE "/tokens/{id}" Token,
        UpdateToken: PATCH "/tokens/{id}" Token,
        RevokeTokensOfUser: DELETE "/users/{user_id}/tokens" Token,
        RevokeTokenByText: POST "/oauth/revoke" Public,
        ReportLeaks: POST "/leaks/github" Public,
        RevokeRarogToken: DELETE "/rest/pat/1.0/token/{id}" Token,
        SignOut: POST "/sign-out" Session,
        RevokeTokenOnPage: POST "/profile/developer/tokens/{id}" Session,
        RevokeAccountTokenOnPage: POST "/profile/accounts/{user_id}/tokens/{id}" Session,
        UpdateKeyOnPage: POST "/admin/users/{user_id}/tokens/{id}" Session,
        UpdateUserOnPage: POST "/admin/users/{user_id}/access" Session,
    }
    Console {
        ListTokens: GET "/tokens" Token,
        ShowToken: GET "/tokens/{id}" Token,
        ShowTokenUsage: GET "/tokens/{id}/usage" Token,
        ListAuditEntries: GET "/audit" Token,
        IntrospectToken: POST "/oauth/introspect" Token,
        ExplainToken: POST "/explain" Token,
        ListRarogTokens: GET "/rest/pat/1.0/token" Token,
        ShowUser: GET "/api/user/{id}" Authorizer,
        ShowProfile: GET "/rs/profile" Authorizer,
        ShowSignInPage: GET "/sign-in" Public,
        ShowPortalPage: GET "/portal/sign-in" Public,
        ShowHome: GET "/" Public,
        ShowDeveloperPage: GET "/profile/developer" Session,
        ShowNewTokenPage: GET "/profile/developer/new" Session,
        ShowTokenPage: GET "/profile/developer/tokens/{id}" Session,
        ShowAccountPage: GET "/profile/accounts/{user_id}" Session,
        ShowUsersPage: GET "/admin/users" Session,
        ShowNewUserPage: GET "/admin/users/new" Session,
        ShowAllTokensPage: GET "/admin/tokens" Session,
        ShowAuditPage: GET "/admin/audit" Session,
        ShowUserPage: GET "/admin/users/{user_id}" Session,
        ShowAsset: GET "/assets/{file}" Public,
        ShowSwaggerUi: GET "/docs/swagger-ui/{file}" Public,
        ShowDocument: GET "/openapi.json" Public,
        ShowHealth: GET "/healthz" Public,
    }
}

/// A rate limit of API Gateway, by the parameters of the template that set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// `PasswordRate` and `PasswordBurst`: the route accepts passwords, which are slow to check.
    Password,
    /// `IssueRate` and `IssueBurst`: the route creates tokens for the holder of a token or session.
    Issue,
}

impl Throttle {
    /// What the names of the two parameters begin with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "Password",
            Self::Issue => "Issue",
        }
    }
}

impl Route {
    /// Whether the route serves `HEAD` as well (RFC 9110 section 9.3.2). A `GET` of another
    /// function than console takes a password and creates a token.
    pub fn has_head(&self) -> bool {
        self.method == "GET" && self.function == Function::Console
    }

    /// Returns the rate limit that API Gateway applies to the route. Every route of `Generate` has
    /// one, so that no other request takes the capacity that log-ins need.
    pub const fn throttle(&self) -> Option<Throttle> {
        match (self.access, self.function) {
            (Access::Password | Access::PasswordOrToken, _) => Some(Throttle::Password),
            (_, Function::Generate) => Some(Throttle::Issue),
            (_, Function::Revoke | Function::Console) => None,
        }
    }

    fn serves(&self, method: &str) -> bool {
        self.method == method || (method == "HEAD" && self.has_head())
    }
}

impl Function {
    /// The logical ID of the function in `template.yaml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::Revoke => "Revoke",
            Self::Console => "Console",
        }
    }
}

/// Returns the operation of a request to a function.
///
/// # Errors
/// Returns 404 if no function serves the path, and 405 with `Allow` if this function does not serve
/// the method.
pub fn operation<O: Operations>(request: &Request) -> Result<O, Problem> {
    let (path, method) = (gateway::route(request), request.method().as_str());
    let at_path = || ROUTES.iter().filter(|route| route.path == path);
    let route = at_path().find(|route| route.function == O::FUNCTION && route.serves(method));
    if let Some(operation) = route.and_then(|route| O::named(route.operation)) {
        return Ok(operation);
    }
    let allowed = METHODS.into_iter().filter(|method| at_path().any(|route| route.serves(method)));
    let allowed = allowed.collect::<Vec<_>>().join(", ");
    Err(if allowed.is_empty() {
        Problem::not_found()
    } else {
        Problem::method_not_allowed(&allowed)
    })
}
