"""PyJWT verifies a JWT from Hallpass with the exported key, and rejects it with another key."""
import base64
import json
import os

import jwt

token = json.loads(os.environ["RESPONSE"])["accessToken"]
key = base64.urlsafe_b64decode(os.environ["KEY"] + "=")
claims = jwt.decode(token, key, algorithms=["HS256"], audience="hallpass", issuer="hallpass")
assert claims["sub"] == "1" and claims["name"] == "my_username", claims
assert claims["exp"] - claims["iat"] == 30 * 60, claims
assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "name", "jti"}, claims
assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "first"}
try:
    jwt.decode(token, bytes(32), algorithms=["HS256"], audience="hallpass")
except jwt.InvalidSignatureError:
    print("PyJWT", jwt.__version__, "verifies the JWT with the exported key and rejects it with another")
else:
    raise SystemExit("PyJWT accepted the token with another key")
