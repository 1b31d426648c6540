import { launch } from '../cli/launch.js'

launch(import('../sinks/zip-sink.js'))
