/** Swagger UI on this service's own document. */

const isDark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", isDark.matches);
isDark.addEventListener("change", dress);
dress();

SwaggerUIBundle({
  url: new URL(document.body.dataset.document, location.href).href,
  dom_id: "#docs",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null, // else Swagger's own host is asked
});
