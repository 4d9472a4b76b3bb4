# syntax=docker/dockerfile:1
# One image for gateway and worker: docker run … callboard server start | callboard worker start …

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-slim
# tini, as process 1, passes signals on and collects the ended children of flows that run as processes.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
# What is kept on this machine: the gateway's read model, and the embedded broker where that is used.
ENV CALLBOARD_HOME=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE deploy/healthcheck.js ./
RUN install -d -o node -g node /data
VOLUME /data
USER node
EXPOSE 4200
# The gateway's, by default. A worker's container says its own (see compose.yaml).
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=6 CMD ["node", "healthcheck.js", "http://127.0.0.1:4200/api/ready"]
ENTRYPOINT ["tini", "--", "node", "dist/cli/main.js"]
CMD ["--help"]
