// Nothing can be tried from here: the peer API needs a client certificate. The
// validator that Swagger UI would call is somewhere else, so it is off.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  supportedSubmitMethods: [],
  validatorUrl: null,
});
