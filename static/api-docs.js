// Shows the description of the API, and lets whoever signs in try it.
{
  const { document: url, redirectUri, clientId } = document.getElementById("swagger-ui").dataset;
  const ui = SwaggerUIBundle({
    url,
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    filter: true,
    // tokens are gone with the page
    persistAuthorization: false,
    // nothing is sent to anybody else
    validatorUrl: null,
    queryConfigEnabled: false,
    oauth2RedirectUrl: redirectUri,
  });
  ui.initOAuth({
    clientId,
    usePkceWithAuthorizationCodeGrant: true,
    additionalQueryStringParams: { prompt: "consent" },
  });
}
