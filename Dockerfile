# Two images without a GPU, checked by their form alone: the images below them cannot be had where this project is tested.
#   docker build -t densenet-sweep . && docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/project" densenet-sweep sweep=quickstart
#   the MLflow server of compose.yaml

FROM python:3.13-slim AS mlflow
RUN pip install --no-cache-dir 'mlflow>=3.13,<4' 'psycopg[binary]>=3.2'

FROM python:3.13-slim
# An index of PyTorch's CPU builds, which are a tenth of the size; PyTorch's page on installation names it.
ARG TORCH_INDEX
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision
COPY . /source
RUN pip install --no-cache-dir /source/engine '/source[postgres,grpc,export]' && rm -rf /source
# Any user may run it; what is written belongs to /project.
ENV HOME=/tmp DENSENET_SWEEP_DATA=/project/data
WORKDIR /project
ENTRYPOINT ["densenet-sweep"]
CMD ["--help"]
